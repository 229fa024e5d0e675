// A question to the server that is answered at once. Of several that overlap the latest counts.
import { batch, signal } from "@preact/signals";
import { send, wrongOf } from "./api";
import type { Wrong } from "./shapes";

export class Answered<T> {
  readonly value = signal<T | null>(null);
  readonly wrong = signal<Wrong | null>(null);
  readonly busy = signal(false);
  private under: AbortController | null = null;

  constructor(private readonly path: string) {}

  async ask(body: unknown): Promise<void> {
    this.under?.abort();
    const own = new AbortController();
    this.under = own;
    this.busy.value = true;
    try {
      const found = await send<T>(this.path, body, own.signal);
      batch(() => {
        this.value.value = found;
        this.wrong.value = null;
      });
    } catch (error) {
      if ((error as Error).name === "AbortError") return;
      this.wrong.value = wrongOf(error);
    } finally {
      if (this.under === own) this.busy.value = false;
    }
  }
}
