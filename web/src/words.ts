// Numbers and texts in the few forms in which the page says them.

export function percent(share: number): string {
  const value = 100 * share;
  if (value === 0) return "0 %";
  if (value < 0.01) return "<0.01 %";
  if (value > 99.99 && value < 100) return ">99.99 %"; // never all where something is missing
  if (value >= 99 && value < 100) return `${value.toFixed(2)} %`;
  return `${value < 1 ? value.toFixed(2) : value < 10 ? value.toFixed(1) : value.toFixed(0)} %`;
}

export function short(value: number): string {
  if (value === 0) return "0";
  if (value < 0.01) return value.toExponential(0);
  if (value < 10) return value.toFixed(value < 1 ? 2 : 1);
  return Math.round(value).toLocaleString("en");
}

export const whole = (value: number): string => value.toLocaleString("en");

/** A unit's text where it stands alone: line breaks and blanks made visible, long ones cut. */
export function alone(text: string, most = 24): string {
  const seen = text.replace(/\n/g, "↵").replace(/\t/g, "⇥");
  const bare = seen.trim() || "␣".repeat(Math.max(1, Math.min(3, seen.length)));
  const signs = Array.from(bare);
  return signs.length > most ? `${signs.slice(0, most - 1).join("")}…` : bare;
}

export const plural = (count: number, noun: string): string => {
  const many = /(s|x|z|ch|sh)$/.test(noun) ? `${noun}es` : /[^aeiou]y$/.test(noun) ? `${noun.slice(0, -1)}ies` : `${noun}s`;
  return `${whole(count)} ${count === 1 ? noun : many}`;
};
