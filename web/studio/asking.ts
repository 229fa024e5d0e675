// What is asked: which run or model, and which input. The rooms share it, so that one input can be seen in each.
import { signal } from "@preact/signals";
import { get, wrongOf } from "./api";
import type { Input, Subject, Wrong } from "./shapes";

export const subjects = signal<Subject[] | null>(null);
export const subjectsWrong = signal<Wrong | null>(null);

export class Asking {
  readonly subject = signal("");
  readonly way = signal<"text" | "file" | "test">("text");
  readonly text = signal("");
  readonly file = signal("");
  readonly row = signal(1);
  /** Read only so many tokens of a text; 0: all. */
  readonly tokens = signal(0);

  get of(): Subject | null {
    return subjects.value?.find((each) => each.id === this.subject.value) ?? null;
  }

  get asksText(): boolean {
    return !this.asksTest && this.way.value !== "file" && this.of?.typed !== false;
  }

  /** How many rows of its own test part a run can be asked about. */
  get testRows(): number {
    return this.of?.test_rows ?? 0;
  }

  get asksTest(): boolean {
    return this.way.value === "test" && this.testRows > 0;
  }

  /** The input as the server takes it; null while there is none. */
  get input(): Input | null {
    const rest = this.tokens.value > 0 ? { tokens: this.tokens.value } : {};
    if (this.asksTest) return { part: "test", row: Math.min(this.row.value, this.testRows), ...rest };
    if (this.asksText) return this.text.value.trim() ? { text: this.text.value, ...rest } : null;
    if (!this.file.value) return null;
    return this.of?.kind === "run" || this.row.value > 1
      ? { file: this.file.value, row: this.row.value, ...rest }
      : { file: this.file.value, ...rest };
  }
}

export const first = new Asking();
export const second = new Asking();

export async function findSubjects(): Promise<void> {
  try {
    const found = await get<Subject[]>("/api/subjects");
    subjects.value = found;
    subjectsWrong.value = null;
    for (const asking of [first, second]) {
      if (!found.some((each) => each.id === asking.subject.value)) asking.subject.value = found[0]?.id ?? "";
    }
  } catch (error) {
    subjectsWrong.value = wrongOf(error);
  }
}
