// Colours come from the style sheet, so that canvases follow light and dark.
import { effect, signal } from "@preact/signals";
import { theme } from "./theme";

export type Rgb = [number, number, number];

/** Changes whenever canvases should be drawn anew because colours changed. */
export const palette = signal(0);

export function named(name: string): Rgb {
  const text = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const value = Number.parseInt(text.slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

/** 256 colours from nothing to the heaviest, through the style sheet's --map0 to --map4. */
export function ramp(): Rgb[] {
  const stops = [0, 1, 2, 3, 4].map((i) => named(`--map${i}`));
  return Array.from({ length: 256 }, (_, i) => {
    const at = (i / 255) * (stops.length - 1);
    const low = Math.min(stops.length - 2, Math.floor(at));
    return [0, 1, 2].map((c) => Math.round(stops[low][c] + (at - low) * (stops[low + 1][c] - stops[low][c]))) as Rgb;
  });
}

export const colour = (name: string): string => `rgb(${named(name).join(" ")})`;

const changed = () => {
  palette.value += 1;
};
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
effect(() => {
  theme.value;
  queueMicrotask(changed);
});
