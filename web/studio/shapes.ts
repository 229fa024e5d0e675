// What the server answers. The other side is regard/app/studio/.

export interface About {
  version: string;
  language?: string;
  folders: { name: string; path: string }[];
  limits: Record<string, number>;
  tasks: string[];
  models: number;
}

export interface Entry {
  name: string;
  path: string;
  kind: "folder" | "run" | "model" | "text" | "picture" | "sound" | "table" | "other";
  bytes: number | null;
}

export interface Folder {
  path: string | null;
  parent: string | null;
  left_out: number;
  entries: Entry[];
}

export interface Subject {
  id: string;
  kind: "run" | "model";
  name: string;
  path: string;
  task: string | null;
  takes: string;
  typed: boolean;
  roles: string[];
  layers: number | null;
  heads: number | null;
  core: string | null;
  labels: string[];
  can: string[];
  /** Of the rooms that it cannot be used in, why not. */
  cannot?: Record<string, string>;
  policies?: string[];
  /** Of a run: how many rows of its own test part can be asked about; null where they lie outside of the folders. */
  test_rows?: number | null;
}

/** What a model is asked about: exactly one of a text, a file, a row of a file or of the run's own test part. */
export interface Input {
  text?: string;
  file?: string;
  part?: "test";
  row?: number;
  tokens?: number;
}

export type JobState = "waiting" | "running" | "done" | "failed" | "cancelled";

/** What went wrong, where, and what to do: every error of the server has these three. */
export interface Wrong {
  what: string;
  where: string;
  do: string;
}

export interface Job<Result = unknown> {
  job: string;
  kind: string;
  state: JobState;
  fraction: number | null;
  line: string;
  started: number | null;
  seconds: number | null;
  title?: string;
  asked?: Record<string, unknown>;
  command?: string;
  result?: Result | null;
  error?: Wrong | null;
}

export interface Event {
  fraction: number | null;
  line: string;
  state: JobState;
  points?: Point[];
}

/** A row of a training's log, or of its attention to the probe. */
export interface Point {
  event: string;
  step?: number;
  epoch?: number;
  loss?: number | null;
  accuracy?: number | null;
  rate?: number | null;
  train_loss?: number | null;
  validation_loss?: number | null;
  validation?: Record<string, number>;
  best?: boolean;
  seconds?: number;
  units?: string[];
  received?: number[];
  heads?: { layer: number; head: number; breadth: number; distance: number }[];
}

export interface Units {
  kind: string;
  count: number;
  texts: string[];
  spans: [number, number][] | null;
  source: string | null;
  grid: [number, number] | null;
  special: number;
  /** By unit: mean share of attention received over all heads. */
  mass?: number[];
}

export interface Metric {
  name: string;
  value: number;
  low: number | null;
  high: number | null;
  rows: number;
  protocol: string;
  better: "higher" | "lower";
  full_name: string;
}

export interface Baseline {
  name: string;
  scores: Metric[];
  gain: Metric | null;
}
