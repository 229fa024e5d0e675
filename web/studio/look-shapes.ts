// A look, as the server tells it.
import type { Units } from "./shapes";

export interface HeadFigures {
  head: number;
  breadth: number;
  distance: number;
  entropy: number;
  reasons: string[];
  unusual: number;
}

export interface Layer {
  name: string;
  short: string;
  kind: "self" | "cross";
  mask: string;
  /** Which side asks, and which is read: 0 is `units`, i is `others[i - 1]`. */
  queries: number;
  keys: number;
  query_count: number;
  key_count: number;
  deepest: number;
  heads: HeadFigures[];
}

export interface Sink {
  side: number;
  unit: number;
  text: string;
  share: number;
  words: string;
}

export interface Look {
  look: string;
  subject: string;
  title: string;
  model: string;
  units: Units;
  others: Units[];
  layers: Layer[];
  /** `layer` is its name, or its place. */
  ranked: { layer: number | string; head: number; score: number; reasons: string[] }[];
  sinks: Sink[];
  sinks_note: string;
  answer: string | null;
  picture: string | null;
  notes: string[];
  limits: string;
  unseen: [string, string][];
}

export interface LookResult {
  look: string;
  layers: number;
  heads: number;
  units: number;
  bytes: number;
  seconds: number;
}

export interface CompareResult {
  looks: [string, string];
  note: string;
  changes: {
    layer: string;
    layer_b: string;
    head: number;
    variation: number | null;
    correlation: number | null;
    breadth: [number, number];
    distance: [number, number];
  }[];
  only_a: string[];
  only_b: string[];
}

export interface UnitReading {
  reads: [number, number][] | null;
  read_by: [number, number][] | null;
  received: number;
  share: number;
  breadth: number | null;
  distance: number | null;
  unit: number;
  text: string;
}
