// The four steps, a mask and a plan, as the server tells them.

export type Matrix = number[][];

export interface Walked {
  query_names: string[];
  key_names: string[];
  query: Matrix;
  key: Matrix;
  value: Matrix;
  residual: Matrix | null;
  shared: boolean;
  formula: string;
  scores: Matrix;
  weights: Matrix;
  context: Matrix;
  output: Matrix | null;
  difference: number;
  notes: string[];
  remarks: string[];
  examples: string[];
  command: string;
}

export interface Masked {
  words: string;
  rows: string[];
  allowed: number;
  of: number;
  empty: number;
  names: string[];
  command: string;
}

export interface Planned {
  text: string;
  chosen: string;
  why: string;
  kernels: { name: string; about: string; chosen: boolean; milliseconds: number | null; bytes: number; reason: string }[];
  command: string;
}
