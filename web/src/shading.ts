// From weights to shades: 0 (nothing) to 15 (the heaviest that is shown), as .m0 to .m15 in parts.css.

export type Scale = "rank" | "log" | "linear";

const LEVELS = 15;
const RANK_POWER = 6.6; // 0.9^6.6 = 0.5

export function shaded(values: ArrayLike<number>, without: Set<number>, by: Scale): Uint8Array {
  const levels = new Uint8Array(values.length);
  const places = Array.from(levels.keys()).filter((i) => values[i] > 0 && !without.has(i));
  if (!places.length) return levels;
  if (by === "rank") {
    places.sort((a, b) => values[a] - values[b]);
    for (let since = 0, until = 0; since < places.length; since = until) {
      while (until < places.length && values[places[until]] === values[places[since]]) until += 1;
      const middle = (since + until) / 2; // units that receive the same share one rank
      const level = Math.round(LEVELS * (middle / places.length) ** RANK_POWER);
      for (let i = since; i < until; i++) levels[places[i]] = level;
    }
    return levels;
  }
  const heaviest = places.reduce((most, i) => Math.max(most, values[i]), 0);
  for (const place of places) {
    const share = values[place] / heaviest;
    const shade = by === "linear" ? share : 1 + Math.log10(share) / 3;
    levels[place] = Math.max(0, Math.round(LEVELS * shade));
  }
  return levels;
}
