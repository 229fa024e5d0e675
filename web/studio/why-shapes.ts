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
  seconds: number;
  /** One a unit; below 0 what speaks against the answer. */
  weights: number[];
  chosen: boolean;
  signed?: boolean;
  evidence: Evidence | null;
}

export interface WhyResult {
  target: string;
  probability: number;
  targets: [string, number][];
  units: Units;
  best: string | null;
  limits: string;
  quantity?: string | null;
  note?: string | null;
  notes?: string[];
  left_out?: { method: string; why: string }[];
  explanations: Explanation[];
  picture?: string | null;
}
