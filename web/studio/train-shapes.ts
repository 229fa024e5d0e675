// Tasks, runs and their logs, as the server tells them.
import type { Baseline, Metric, Point } from "./shapes";

export interface Setting {
  path: string;
  value: unknown;
  about: string;
}

export interface Task {
  name: string;
  about: string;
  example: string;
  beside: string;
  takes: string;
  files: string;
  input: string;
  presets: string[];
  columns: string[];
  data: string | null;
  here: boolean;
  settings: Setting[];
}

export interface TrainResult {
  run: string;
  scores: Metric[];
  baselines: Baseline[];
  points: Point[];
}

export interface RunRow {
  id: string;
  name: string;
  path: string;
  task: string;
  state: "new" | "training" | "begun" | "done" | "damaged";
  /** What is wrong with a damaged one. */
  why?: string | null;
  score: Metric | null;
  baseline: Metric | null;
  baseline_name: string | null;
  protocol: string | null;
  epochs: number | null;
  core: string | null;
  minutes: number | null;
  job: string | null;
}

export interface RunLog {
  id: string;
  name: string;
  points: Point[];
  metrics: { scores: Metric[]; baselines: Baseline[] } | null;
  /** The settings as the run keeps them, nested; and, where the server says it, the body that goes on with the run. */
  config: { asked?: Record<string, unknown> };
  again?: Record<string, unknown>;
  command: string;
}
