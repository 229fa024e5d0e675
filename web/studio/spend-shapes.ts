// What budgets cost, as the server tells it.

export interface SpentHead {
  layer: number | string;
  head: number;
  breadth: number | null;
  distance: number | null;
  read: number | null;
}

export interface SpentRow {
  fraction: number;
  share: number | null;
  answer: string | null;
  same: boolean | null;
  error: number | null;
  loss: number | null;
  increase: number | null;
  seconds: number | null;
  seconds_of: string | null;
  bytes: number | null;
  cache_bytes: number | null;
  heads: SpentHead[];
}

export interface SpendResult {
  rows: SpentRow[];
  exact: SpentRow;
  unit: string | null;
  notes: string[];
  measured: string;
}
