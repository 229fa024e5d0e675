// Mass received by the units of a sequence, as the chosen scope sees it, and what is hidden of it.
import { computed } from "@preact/signals";
import { index } from "./payload";
import { shaded } from "./shading";
import { arrived, chosen, here, hiding, item, rowOf, scale, scope, streams } from "./state";
import { percent } from "./words";

export interface Mass {
  /** By unit: mass received, a sum of weights over queries; null where this sequence is not read in this scope. */
  values: Float64Array;
  error: Float64Array | null;
  total: number;
  layers: number;
  heads: number;
}

function ofLayers(layers: number[], count: number): Mass {
  const values = new Float64Array(count);
  const means = arrived.value[`means.${item.value}`] ?? {};
  let heads = 0;
  for (const layer of layers) {
    const each = index.layers[layer].heads.length;
    const mass = means[`mass${layer}`];
    heads += each;
    for (let i = 0; mass && i < Math.min(count, mass.codes.length); i++) values[i] += each * mass.value(i);
  }
  return { values, error: null, total: sum(values), layers: layers.length, heads };
}

function ofHead(count: number): Mass | null {
  const head = chosen.value!;
  const arrays = arrived.value[`heads.${item.value}.${head.layer}`];
  const row = rowOf(head);
  if (!arrays?.mass || row < 0) return null;
  const keys = arrays.mass.header.shape[1];
  const values = new Float64Array(count);
  const error = arrays.error ? new Float64Array(count) : null;
  for (let i = 0; i < Math.min(count, keys); i++) {
    values[i] = arrays.mass.value(row * keys + i);
    if (error) error[i] = arrays.error.value(row * keys + i);
  }
  return { values, error, total: sum(values), layers: 1, heads: 1 };
}

const sum = (values: Float64Array): number => values.reduce((a, b) => a + b, 0);

/** For each sequence of this input: its mass, or null where no layer in scope reads it. */
export const masses = computed<(Mass | null)[]>(() =>
  here.value.streams.map((stream, number) => {
    if (!streams.value) return null;
    const head = chosen.value;
    if (scope.value === "all" || !head) return stream.layers.length ? ofLayers(stream.layers, stream.count) : null;
    if (here.value.keys[head.layer] !== number) return null;
    return (scope.value === "head" && ofHead(stream.count)) || ofLayers([head.layer], stream.count);
  }),
);

export const sinkSets = computed(() => here.value.streams.map((stream) => new Set(stream.sinks)));
export const hidden = computed(() => sinkSets.value.map((set) => (hiding.value ? set : new Set<number>())));

/** How many keys the switch hides, and which share of the mass in scope they take. */
export const sinks = computed(() => {
  let keys = 0;
  let taken = 0;
  let all = 0;
  masses.value.forEach((mass, stream) => {
    if (!mass) return;
    all += mass.total;
    for (const key of sinkSets.value[stream]) {
      keys += 1;
      taken += mass.values[key];
    }
  });
  return { keys, share: all ? taken / all : 0 };
});

/** For each unit of each sequence a shade from 0 (nothing) to 15 (the heaviest that is shown). */
export const shades = computed<Uint8Array[]>(() =>
  masses.value.map((mass, stream) => {
    const count = here.value.streams[stream].count;
    if (!mass) return new Uint8Array(count);
    return shaded(mass.values, hidden.value[stream], scale.value);
  }),
);

/** How uneven the mass is, in words: ranks alone make much of small differences. */
export function spread(stream: number): string {
  const mass = masses.value[stream];
  const real = (streams.value?.[stream].texts.length ?? 0) - (streams.value?.[stream].padding.length ?? 0);
  if (!mass?.total || !real) return "";
  let heaviest = 0;
  mass.values.forEach((value, i) => {
    if (!hidden.value[stream].has(i)) heaviest = Math.max(heaviest, value);
  });
  return `heaviest${hiding.value ? " shown" : ""} ${percent(heaviest / mass.total)}, even share ${percent(1 / real)}`;
}

/** What the shading means, in words. */
export const scaleWords: Record<string, string> = {
  rank: "by rank, the heaviest tenth in the stronger half",
  log: "logarithmic, down to 1/1000 of the heaviest",
  linear: "linear, from nothing to the heaviest",
};

/** Of how many units one receives more, counted from 1. */
export function rankOf(values: Float64Array, place: number): number {
  let rank = 1;
  for (const value of values) if (value > values[place]) rank += 1;
  return rank;
}
