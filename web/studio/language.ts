// Which language the page speaks: every text of it stands in one table per language.
import { computed, effect, signal } from "@preact/signals";
import { en, type Table } from "./en";
import { kept, keep } from "./kept";
import { zh } from "./zh";

export type Language = "en" | "zh";
const tables: Record<Language, Table> = { en, zh };

const first = (): Language => {
  const before = kept("language");
  if (before === "en" || before === "zh") return before;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
};

export const language = signal<Language>(first());
/** The table in use. */
export const words = computed(() => tables[language.value]);

effect(() => {
  document.documentElement.lang = language.value === "zh" ? "zh-Hans" : "en";
  keep("language", language.value);
});
