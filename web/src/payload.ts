// What the file holds: the index, and sections that are unpacked when they are asked for.
// The other side is regard/lens/report/packing.py and payload.py.

export interface Header {
  name: string;
  shape: number[];
  bits: 8 | 16;
  rule: "whole" | "linear" | "square" | "log" | "near";
  since: number;
  to: number;
}

export interface LayerRow {
  name: string;
  short: string;
  kind: "self" | "cross";
  mask: string;
  heads: number[];
  keys: number;
  queries: number;
  population: number;
  sampled: boolean;
  top: number;
}

export interface StreamRow {
  kind: string;
  count: number;
  grid: [number, number] | null;
  special: number;
  layers: number[];
  sinks: number[];
}

export interface ItemRow {
  streams: StreamRow[];
  queries: number[];
  keys: number[];
  observed: ({ since: number; count: number } | null)[];
  /** By layer, the heads (places on its axis) that are told one by one, and those whose top keys are told. */
  heads: number[][];
  readers: number[][];
  maps: ({ rows: number[]; cols: number[] } | null)[];
  image: string | null;
}

export interface HeadRow {
  layer: number;
  place: number;
  head: number;
  breadth: number;
  distance: number;
  unusual: number;
  reasons: string[];
}

/** Heads, the most unusual first, and what was done about sinks. */
export interface Order {
  heads: HeadRow[];
  note: string;
}

export interface Index {
  title: string;
  model: string;
  about: Record<string, string>;
  unseen: [string, string][];
  limits: string;
  notes: string[];
  precision: string;
  layers: LayerRow[];
  items: ItemRow[];
  order: Order;
  /** The order with sinks left out; why there is none; null where there are no sinks. */
  without: Order | string | null;
  sections: Record<string, Header[]>;
}

export interface StreamText {
  texts: string[];
  gaps: Record<string, string>;
  special: number[];
  padding: number[];
  /** Characters of the source after the last unit. */
  unread: number;
}

export const index: Index = JSON.parse(document.getElementById("index")!.textContent!);

export const NONE = 65535;

/** One array: numbers come out of codes one at a time, through a table made once. */
export class Coded {
  private table: Float64Array | null = null;

  constructor(
    readonly header: Header,
    readonly codes: Uint8Array | Uint16Array,
  ) {}

  value(place: number): number {
    this.table ??= this.tabled();
    return this.table[this.codes[place]];
  }

  /** The key that the query at `query` reads; -1 for none. Only for the rule "near". */
  key(place: number, query: number): number {
    const { since, to } = this.header;
    const code = this.codes[place];
    if (code === NONE) return -1;
    if (code < since) return code;
    const steps = code - since;
    if (to === 1) return query - steps;
    return steps % 2 ? query + (steps + 1) / 2 : query - steps / 2;
  }

  private tabled(): Float64Array {
    const { bits, rule, since, to } = this.header;
    const highest = 2 ** bits - 1;
    const table = new Float64Array(highest + 1);
    for (let code = 0; code <= highest; code++) {
      const share = code / highest;
      if (rule === "linear") table[code] = share * to;
      else if (rule === "square") table[code] = share * share * to;
      else if (rule === "log") table[code] = code ? since * (to / since) ** ((code - 1) / (highest - 1)) : 0;
      else table[code] = code;
    }
    return table;
  }
}

export type Arrays = Record<string, Coded>;

async function inflated(name: string): Promise<Uint8Array> {
  const element = document.getElementById(`section.${name}`)!;
  const text = atob(element.textContent!);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The arrays of a section by name; nothing where the file does not hold it. */
export async function section(name: string): Promise<Arrays> {
  const arrays: Arrays = {};
  const headers = index.sections[name];
  if (!headers) return arrays;
  const bytes = await inflated(name);
  let at = 0;
  for (const header of headers) {
    const count = header.shape.reduce((a, b) => a * b, 1);
    if (header.bits === 8) {
      arrays[header.name] = new Coded(header, bytes.subarray(at, at + count));
      at += count;
    } else {
      const codes = new Uint16Array(count);
      for (let i = 0; i < count; i++) codes[i] = (bytes[at + i] << 8) | bytes[at + count + i];
      arrays[header.name] = new Coded(header, codes);
      at += 2 * count;
    }
  }
  return arrays;
}

export async function texts(item: number): Promise<StreamText[]> {
  return JSON.parse(new TextDecoder().decode(await inflated(`text.${item}`)));
}
