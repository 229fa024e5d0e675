// A head's map as numbers: what flows, which part of it is in view, where the cursor stands.
import { computed, signal } from "@preact/signals";
import { hidden } from "./mass";
import { arrived, chosen, here, item, label, rowOf, spoken, streams } from "./state";
import { alone, percent, short, whole } from "./words";

export interface Flow {
  rows: number[];
  cols: number[];
  /** Share of the row's mass, rows x cols. */
  share: Float64Array;
  mass: Float64Array;
  /** Columns that hold a hidden sink. */
  blank: Set<number>;
  /** How many rows hold no query that was observed. */
  empty: number;
  floor: number;
  most: number;
}

export interface View {
  row: number;
  col: number;
  rows: number;
  cols: number;
}

export const view = signal<View | null>(null);
export const cursor = signal<{ row: number; col: number }>({ row: 0, col: 0 });
/** The cursor is drawn once it has been used. */
export const used = signal(false);

export const flow = computed<Flow | null>(() => {
  const head = chosen.value;
  if (!head) return null;
  const edges = here.value.maps[head.layer];
  const array = arrived.value[`map.${item.value}.${head.layer}`]?.map;
  const place = rowOf(head);
  if (!edges || !array || place < 0) return null;
  const [, rows, cols] = array.header.shape;
  const mass = new Float64Array(rows * cols);
  const share = new Float64Array(rows * cols);
  const blank = new Set<number>();
  for (const key of hidden.value[here.value.keys[head.layer]]) {
    const col = edges.cols.findIndex((edge, i) => key >= edge && key < edges.cols[i + 1]);
    if (col >= 0) blank.add(col);
  }
  let most = 0;
  let empty = 0;
  for (let row = 0; row < rows; row++) {
    let sum = 0;
    for (let col = 0; col < cols; col++) {
      const at = row * cols + col;
      mass[at] = array.value((place * rows + row) * cols + col);
      sum += mass[at];
    }
    if (!sum) empty += 1;
    for (let col = 0; col < cols; col++) {
      const at = row * cols + col;
      share[at] = sum ? mass[at] / sum : Number.NaN;
      if (sum && !blank.has(col)) most = Math.max(most, share[at]);
    }
  }
  return { ...edges, share, mass, blank, empty, floor: Math.min(0.1 / cols, most / 10), most };
});

export const sizes = (found: Flow) => ({ rows: found.rows.length - 1, cols: found.cols.length - 1 });

export function shown(found: Flow): View {
  const { rows, cols } = sizes(found);
  const at = view.value;
  if (!at) return { row: 0, col: 0, rows, cols };
  const high = Math.max(1, Math.min(rows, at.rows));
  const wide = Math.max(1, Math.min(cols, at.cols));
  return {
    row: Math.max(0, Math.min(rows - high, at.row)),
    col: Math.max(0, Math.min(cols - wide, at.col)),
    rows: high,
    cols: wide,
  };
}

export function zoom(found: Flow, by: number): void {
  const now = shown(found);
  const at = cursor.value;
  const [high, wide] = [Math.max(1, Math.round(now.rows * by)), Math.max(1, Math.round(now.cols * by))];
  const all = sizes(found);
  if (high >= all.rows && wide >= all.cols) {
    view.value = null;
    return;
  }
  view.value = {
    row: Math.round(at.row + 0.5 - ((at.row + 0.5 - now.row) / now.rows) * high),
    col: Math.round(at.col + 0.5 - ((at.col + 0.5 - now.col) / now.cols) * wide),
    rows: high,
    cols: wide,
  };
}

export function pan(found: Flow, rows: number, cols: number): void {
  const now = shown(found);
  view.value = { ...now, row: now.row + rows, col: now.col + cols };
}

export function move(found: Flow, rows: number, cols: number): void {
  const all = sizes(found);
  const row = Math.max(0, Math.min(all.rows - 1, cursor.value.row + rows));
  const col = Math.max(0, Math.min(all.cols - 1, cursor.value.col + cols));
  cursor.value = { row, col };
  const now = shown(found);
  const up = Math.min(0, row - now.row) + Math.max(0, row - now.row - now.rows + 1);
  const side = Math.min(0, col - now.col) + Math.max(0, col - now.col - now.cols + 1);
  if (up || side) pan(found, up, side);
  spoken.value = cell(found, row, col);
}

const range = (edges: number[], bin: number) =>
  edges[bin + 1] - edges[bin] === 1 ? whole(edges[bin]) : `${whole(edges[bin])}–${whole(edges[bin + 1] - 1)}`;

function words(stream: number, since: number, until: number): string {
  const told = streams.value?.[stream];
  if (!told) return "";
  const first = alone(told.texts[since] ?? "", 14);
  return until - since > 1 ? `“${first}” … “${alone(told.texts[until - 1] ?? "", 14)}”` : `“${first}”`;
}

/** One cell in words. */
export function cell(found: Flow, row: number, col: number): string {
  const head = chosen.value!;
  const { cols } = sizes(found);
  const at = row * cols + col;
  const query = words(here.value.queries[head.layer], found.rows[row], found.rows[row + 1]);
  const key = words(here.value.keys[head.layer], found.cols[col], found.cols[col + 1]);
  if (Number.isNaN(found.share[at])) return `${label(head)}: queries ${range(found.rows, row)} ${query}: none observed`;
  const blank = found.blank.has(col) ? " (holds a hidden sink)" : "";
  return (
    `${label(head)}: queries ${range(found.rows, row)} ${query} → keys ${range(found.cols, col)} ${key}: ` +
    `${percent(found.share[at])} of their weight, mass ${short(found.mass[at])}${blank}`
  );
}

export const width = (edges: number[], since: number, count: number) =>
  Math.max(...edges.slice(since, since + count).map((edge, i) => edges[since + i + 1] - edge));

