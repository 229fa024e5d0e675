// The chosen unit under the chosen head: what it reads, and who reads it.
import { alone, percent, short, whole } from "../src/words";
import { words } from "./language";
import { spoken } from "./rooms";
import { label, type Seen } from "./seen";
import type { Units } from "./shapes";
import { textsOf } from "./units";

export function Reads({ seen }: { seen: Seen }) {
  const w = words.value.reads;
  const at = seen.unit.value;
  const row = seen.chosen.value;
  const reading = seen.reading.value;
  const units = at ? seen.sides.value[at.side] : null;
  if (!at || !row || !units) {
    return (
      <section class="panel reads" aria-label={w.title}>
        <header>
          <h3>{w.title}</h3>
        </header>
        <p class="missing">{w.none}</p>
      </section>
    );
  }
  const [asks, read] = [seen.sides.value[row.of.queries], seen.sides.value[row.of.keys]];
  const text = alone(textsOf(units)[at.place] ?? "");
  return (
    <section class="panel reads" aria-label={w.title}>
      <header>
        <h3>
          “{text}” <small>{w.unit(whole(at.place), label(row))}</small>
        </h3>
      </header>
      {reading && (
        <p class="legend">
          {w.received(short(reading.received), percent(reading.share))}
          {reading.breadth !== null && ` · ${w.breadth(short(reading.breadth))}`}
          {reading.distance !== null && ` · ${w.distance(short(reading.distance))}`}
        </p>
      )}
      {at.side !== row.of.queries && at.side !== row.of.keys && <p class="missing">{w.elsewhere}</p>}
      <List seen={seen} title={w.reads} side={row.of.keys} units={read} pairs={reading?.reads} nothing={w.noQuery} />
      <List seen={seen} title={w.readBy} side={row.of.queries} units={asks} pairs={reading?.read_by} nothing={w.noKey} />
    </section>
  );
}

function List(props: {
  seen: Seen;
  title: string;
  side: number;
  units: Units | undefined;
  pairs: [number, number][] | null | undefined;
  nothing: string;
}) {
  const { pairs, units } = props;
  if (pairs === undefined || !units) return null;
  const texts = textsOf(units);
  return (
    <div class="list">
      <h4>{props.title}</h4>
      {pairs === null && <p class="legend">{props.nothing}</p>}
      <span class="chips">
        {(pairs ?? []).map(([place, weight]) => (
          <button
            type="button"
            key={place}
            class={`chip m${Math.min(15, Math.round(15 * Math.sqrt(weight)))}`}
            onMouseOver={() => {
              spoken.value = `${units.kind} ${whole(place)}: ${percent(weight)}`;
            }}
            onClick={() => {
              props.seen.unit.value = { side: props.side, place };
            }}
          >
            {alone(texts[place] ?? "", 16)} <i>{percent(weight)}</i>
          </button>
        ))}
      </span>
    </div>
  );
}
