// Light, dark, or as the system has it: one attribute at the root, which the style sheet reads.
import { effect, signal } from "@preact/signals";

export type Theme = "auto" | "light" | "dark";

export const theme = signal<Theme>("auto");

effect(() => {
  const root = document.documentElement;
  if (theme.value === "auto") delete root.dataset.theme;
  else root.dataset.theme = theme.value;
});
