// What the server says is English. Its sentences have forms, each with its Chinese; the server's tests see to it that none
// is missing. What has no form (a library's own error, a text of the user's) stays as it is, and is marked as English.
import { language } from "./language";
import { reasonForms } from "./reasons";
import table from "./zh/told.json";

type Form = [RegExp, string];
let forms: Form[] | null = null;
/** Any text; or, where a form has few words of its own, one without a blank. */
const VALUES: Record<string, string> = { "{}": "(.+?)", "{_}": "(\\S+)" };

function form([english, chinese]: string[]): Form {
  const parts = english.split(/(\{_?\})/).map((part) => VALUES[part] ?? part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return [new RegExp(`^${parts.join("")}$`, "s"), chinese];
}

const own = (english: string): number => english.replace(/\{_?\}/g, "").length;

/** A unit's place, as in "A (12th)". */
const placed = (text: string): string => text.replace(/ \((\d+)(?:st|nd|rd|th)\)/g, "（第 $1 个）");

/** The sentence in the page's language; null where it has none there. */
export function translated(text: string): string | null {
  if (language.value !== "zh") return text;
  // those with most words of their own first: "{} is missing" would fit the end of many
  forms ??= [...[...table].sort(([a], [b]) => own(b) - own(a)).map(form), ...reasonForms];
  for (const [pattern, chinese] of forms) {
    const found = pattern.exec(text);
    // a value may be a sentence of its own: why something failed
    if (found) return chinese.replace(/\{(\d+)\}|\$(\d)/g, (_, a, b) => translated(found[a ?? b]) ?? placed(found[a ?? b]));
  }
  return null;
}

/** The sentence in the page's language, or as it is. */
export const said = (text: string): string => translated(text) ?? text;

/** A sentence of the server, with its language where that is not the page's. */
export function Told({ text }: { text: string }) {
  const own = translated(text);
  return own === null ? <bdi lang="en">{text}</bdi> : <>{own}</>;
}
