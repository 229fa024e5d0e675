// One explanation: the units shaded by what they weigh, the heaviest of them, and how faithful that is.
import type { Signal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { alone, whole } from "../src/words";
import { EvidenceTable } from "./evidence";
import { words } from "./language";
import { spoken } from "./rooms";
import type { Units } from "./shapes";
import { figure, timed } from "./sizes";
import { textsOf, UnitsView } from "./units";
import type { Explanation } from "./why-shapes";
import { Told } from "./told";

const LISTED = 8;

export function Card(props: { of: Explanation; units: Units; picture: string | null; tied: boolean; chosen: Signal<number>; alone: boolean }) {
  const w = words.value.why;
  const { of, units, chosen } = props;
  const levels = useMemo(() => signedLevels(of.weights), [of.weights]);
  const texts = useMemo(() => textsOf(units), [units]);
  const repeated = useMemo(() => moreThanOnce(texts), [texts]);
  const heaviest = useMemo(() => order(of.weights).slice(0, LISTED), [of.weights]);
  const most = Math.max(...of.weights.map(Math.abs), 1e-12);
  const say = (place: number) => {
    spoken.value = `${units.kind} ${whole(place)} “${alone(texts[place] ?? "")}”: ${figure(of.weights[place])} (${of.method})`;
  };
  return (
    <article class={`panel card ${of.chosen ? "best" : ""}`} aria-label={of.method}>
      <header>
        <h3>
          {of.method} {of.chosen && <em>{props.tied ? w.ahead : w.chosen}</em>}
        </h3>
        {of.seconds !== null && <span class="quiet">{timed(of.seconds)}</span>}
      </header>
      <p class="legend">
        <Told text={of.about} /> {of.how && <>· <Told text={of.how} /></>}
      </p>
      <UnitsView
        units={units}
        levels={levels}
        chosen={chosen.value}
        choose={(place) => {
          chosen.value = place;
          say(place);
        }}
        say={say}
        label={w.unitsHelp(of.method)}
        picture={props.picture}
      />
      <p class="legend sides">
        <i class="m15" aria-hidden="true" /> {w.pro}
        {of.weights.some((weight) => weight < 0) && (
          <>
            <i class="n15" aria-hidden="true" /> {w.contra}
          </>
        )}
      </p>
      <details open={of.chosen || props.alone}>
        <summary>{w.more}</summary>
        <ol class="heaviest" aria-label={w.heaviest}>
        {heaviest.map((place) => (
          <li key={place}>
            <button type="button" class="plain" onClick={() => { chosen.value = place; say(place); }}>
              {alone(texts[place] ?? "", 18)} {repeated.has(texts[place]) && <span class="quiet">{w.nth(place + 1)}</span>}
            </button>
            <i class={of.weights[place] < 0 ? "against" : ""} style={{ width: `${(70 * Math.abs(of.weights[place])) / most}px` }} aria-hidden="true" />
            <span class="quiet">{figure(of.weights[place])}</span>
          </li>
        ))}
      </ol>
        {of.evidence ? <EvidenceTable of={of.evidence} method={of.method} /> : <p class="legend">{w.noEvidence}</p>}
      </details>
    </article>
  );
}

const order = (weights: number[]): number[] =>
  weights.map((_, place) => place).sort((a, b) => Math.abs(weights[b]) - Math.abs(weights[a]));

/** Those that several units say: of these a list must tell the place. */
function moreThanOnce(texts: string[]): Set<string> {
  const once = new Set<string>();
  return new Set(texts.filter((text) => once.has(text) || !once.add(text)));
}

function signedLevels(weights: number[]): Int8Array {
  const most = Math.max(...weights.map(Math.abs), 1e-12);
  return Int8Array.from(weights, (weight) => Math.sign(weight) * Math.round(15 * Math.sqrt(Math.abs(weight) / most)));
}
