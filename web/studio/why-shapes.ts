// Explanations and their evidence, as the server tells them.
import type { Units } from "./shapes";

export interface EvidenceRow {
  measure: string;
  about?: string;
  better?: "higher" | "lower" | null;
  replacement: string;
  words?: string;
  value: number | null;
  low: number | null;
  high: number | null;
  random: number | null;
  position: number | null;
  reverse: number | null;
  inputs: number;
}

export interface Evidence {
  lines: string[];
  rows: EvidenceRow[];
}

export interface Explanation {
  method: string;
  about: string;
  how: string;
  /** Null where nothing was worked out: the model's own attention. */
  seconds: number | null;
  /** One a unit; below 0 what speaks against the answer. */
  weights: number[];
  chosen: boolean;
  signed?: boolean;
  evidence: Evidence | null;
}

export interface WhyResult {
  target: string;
  probability: number | null;
  targets: [string, number][];
  units: Units;
  best: string | null;
  /** Methods that the best one is not told apart from. */
  tied?: string[];
  limits: string;
  quantity?: string | null;
  note?: string | null;
  notes?: string[];
  left_out?: { method: string; why: string }[];
  explanations: Explanation[];
  picture?: string | null;
}
