// What is chosen, and what follows from it. Components read these; only the functions below change them.
import { batch, computed, effect, signal } from "@preact/signals";
import { type Arrays, type HeadRow, index, section, type StreamText, texts } from "./payload";
import type { Scale } from "./shading";

export type Scope = "all" | "layer" | "head";

export const item = signal(0);
export const chosen = signal<HeadRow | null>(index.order.heads[0] ?? null);
export const scope = signal<Scope>("all");
export const scale = signal<Scale>("rank");
export const hiding = signal(false);
export const unit = signal<{ stream: number; place: number } | null>(null);
export const spoken = signal("");

/** Sections that have arrived, by name. */
export const arrived = signal<Record<string, Arrays>>({});
export const words = signal<Record<number, StreamText[]>>({});

export const here = computed(() => index.items[item.value]);
export const streams = computed(() => words.value[item.value] ?? null);

const asked = new Set<string>();

/** Ask for sections; they are in `arrived` when they are there. */
export async function need(...names: string[]): Promise<void> {
  const fresh = names.filter((name) => !asked.has(name));
  for (const name of fresh) asked.add(name);
  if (!fresh.length) return;
  const found = await Promise.all(fresh.map(async (name) => [name, await section(name)] as const));
  arrived.value = { ...arrived.value, ...Object.fromEntries(found) };
}

export async function open(number: number): Promise<void> {
  const told = words.value[number] ?? (await texts(number));
  await need(`means.${number}`);
  batch(() => {
    words.value = { ...words.value, [number]: told };
    item.value = number;
    unit.value = null;
  });
}

export function choose(head: HeadRow): void {
  chosen.value = head;
}

export function read(stream: number, place: number): void {
  unit.value = { stream, place };
}

/** Everything else of this input, layer by layer, when the page has been painted. */
export async function rest(number: number): Promise<void> {
  for (let layer = 0; layer < index.layers.length; layer++) {
    if (number !== item.value) return;
    await need(`heads.${number}.${layer}`, `top.${number}.${layer}`);
    await new Promise((done) => setTimeout(done));
  }
}

effect(() => {
  const head = chosen.value;
  if (head) void need(`heads.${item.value}.${head.layer}`, `map.${item.value}.${head.layer}`);
});

/** Where a head's row stands in its layer's arrays; -1 where the file tells only the layer's mean. */
export function rowOf(head: HeadRow): number {
  return here.value.heads[head.layer].indexOf(head.place);
}

export const label = (head: HeadRow): string => `L${head.layer} H${head.head}`;
