// One unit in words: what it is, what it receives, of how much.
import { hidden, masses, rankOf } from "./mass";
import { here, streams } from "./state";
import { alone, percent, short, whole } from "./words";

export function described(stream: number, place: number): string {
  const text = streams.value?.[stream].texts[place] ?? "";
  const row = here.value.streams[stream];
  const name = `${row.kind} ${whole(place)} “${alone(text)}”`;
  const mass = masses.value[stream];
  if (!mass) return `${name}: no key in this scope`;
  const value = mass.values[place];
  const share = mass.total ? value / mass.total : 0;
  const error = mass.error ? ` ± ${short(mass.error[place])}` : "";
  const rank = rankOf(mass.values, place);
  const sink = hidden.value[stream].has(place) ? " (a sink, hidden)" : "";
  const per = mass.heads > 1 ? " a head" : "";
  return `${name}: mass ${short(value / mass.heads)}${error}${per}, ${percent(share)}, rank ${whole(rank)} of ${whole(row.count)}${sink}`;
}

