// What one unit reads as a query: its top keys in each layer, and in each head.
import { computed } from "@preact/signals";
import { index } from "./payload";
import { arrived, chosen, here, item, scope, unit } from "./state";

export interface Read {
  key: number;
  weight: number;
  heads: number[];
}

export interface LayerReading {
  layer: number;
  stream: number;
  /** Undefined where its section has not arrived, null where this unit is none of the observed queries. */
  reads: Read[] | null | undefined;
  /** False where the file holds no top keys of this layer. */
  held: boolean;
  breadth: number | null;
  distance: number | null;
}

/** The row of a place among a layer's observed queries, or -1. */
function queryRow(layer: number, place: number): number {
  const range = here.value.observed[layer];
  if (range) {
    const row = place - range.since;
    return row >= 0 && row < range.count ? row : -1;
  }
  const places = arrived.value[`means.${item.value}`]?.[`places${layer}`];
  return places ? (places.codes as Uint16Array).indexOf(place) : -1;
}

/** Top keys of a query in one layer, over the heads in `rows`: weights are means over those heads. */
function merged(layer: number, row: number, place: number, rows: number[]): Read[] | undefined {
  const arrays = arrived.value[`top.${item.value}.${layer}`];
  if (!arrays?.keys) return undefined;
  const [top, heads, queries] = arrays.keys.header.shape;
  const found = new Map<number, Read>();
  for (const head of rows) {
    for (let t = 0; t < top; t++) {
      const at = (t * heads + head) * queries + row;
      const key = arrays.keys.key(at, place);
      if (key < 0) continue;
      const read = found.get(key) ?? { key, weight: 0, heads: [] };
      read.weight += arrays.weights.value(at) / rows.length;
      read.heads.push(index.layers[layer].heads[here.value.readers[layer][head]]);
      found.set(key, read);
    }
  }
  return [...found.values()].sort((a, b) => b.weight - a.weight);
}

export const readings = computed<LayerReading[]>(() => {
  const at = unit.value;
  if (!at) return [];
  const means = arrived.value[`means.${item.value}`] ?? {};
  const found: LayerReading[] = [];
  index.layers.forEach((_, layer) => {
    if (here.value.queries[layer] !== at.stream) return;
    const row = queryRow(layer, at.place);
    const held = `top.${item.value}.${layer}` in index.sections;
    const heads = here.value.readers[layer].map((_, place) => place);
    found.push({
      layer,
      stream: here.value.keys[layer],
      reads: row < 0 ? null : held ? merged(layer, row, at.place, heads) : [],
      held,
      breadth: row < 0 ? null : (means[`breadth${layer}`]?.value(row) ?? null),
      distance: row < 0 ? null : (means[`distance${layer}`]?.value(row) ?? null),
    });
  });
  return found;
});

/** The chosen head's own reading of the chosen unit; null where there is none. */
export const headReading = computed<LayerReading | null>(() => {
  const head = chosen.value;
  const at = unit.value;
  if (!head || !at || here.value.queries[head.layer] !== at.stream) return null;
  const own = here.value.heads[head.layer].indexOf(head.place);
  const reader = here.value.readers[head.layer].indexOf(head.place);
  const row = queryRow(head.layer, at.place);
  const arrays = arrived.value[`heads.${item.value}.${head.layer}`] ?? {};
  const queries = arrays.entropy?.header.shape[1] ?? 0;
  const held = reader >= 0 && `top.${item.value}.${head.layer}` in index.sections;
  const known = own >= 0 && row >= 0;
  return {
    layer: head.layer,
    stream: here.value.keys[head.layer],
    reads: row < 0 ? null : held ? merged(head.layer, row, at.place, [reader]) : [],
    held,
    breadth: known && arrays.entropy ? Math.exp(arrays.entropy.value(own * queries + row)) : null,
    distance: known && arrays.distance ? arrays.distance.value(own * queries + row) : null,
  };
});

/** For each sequence the keys to underline: what the chosen unit reads in the chosen scope. */
export const underlined = computed<Map<number, Set<number>>>(() => {
  const marks = new Map<number, Set<number>>();
  const add = (reading: LayerReading, most: number) => {
    const set = marks.get(reading.stream) ?? new Set<number>();
    for (const read of (reading.reads ?? []).slice(0, most)) set.add(read.key);
    marks.set(reading.stream, set);
  };
  const head = chosen.value;
  if (scope.value === "head" && headReading.value) add(headReading.value, 8);
  else {
    for (const reading of readings.value) {
      if (scope.value === "all") add(reading, 1);
      else if (reading.layer === head?.layer) add(reading, 8);
    }
  }
  return marks;
});
