// Every head in a list, the most unusual first. Only the rows in sight are elements: a large model has thousands.
import { computed, signal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { type HeadRow, index, type Order } from "./payload";
import { choose, chosen, hiding, label, spoken } from "./state";
import { plural, short } from "./words";

const ROW = 46; // pixels, as .heads li in style.css

type By = "unusual" | "layer" | "breadth" | "distance";
const by = signal<By>("unusual");

/** The order in use: without sinks where the switch is on and it can be told. */
export const order = computed<Order>(() =>
  hiding.value && index.without && typeof index.without !== "string" ? index.without : index.order,
);

const sorted = computed<HeadRow[]>(() => {
  const rows = [...order.value.heads];
  if (by.value === "layer") rows.sort((a, b) => a.layer - b.layer || a.place - b.place);
  if (by.value === "breadth") rows.sort((a, b) => b.breadth - a.breadth);
  if (by.value === "distance") rows.sort((a, b) => b.distance - a.distance);
  return rows;
});

const same = (a: HeadRow | null, b: HeadRow) => a?.layer === b.layer && a?.place === b.place;

export function Heads() {
  const list = useRef<HTMLUListElement>(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(600);
  const rows = sorted.value;
  useEffect(() => {
    const watcher = new ResizeObserver(() => setHeight(list.current!.clientHeight));
    watcher.observe(list.current!);
    return () => watcher.disconnect();
  }, []);
  useSignalEffect(() => {
    // only a choice scrolls: when the order changes, its first heads are what is wanted
    const place = sorted.peek().findIndex((row) => same(chosen.value, row));
    const box = list.current;
    if (!box || place < 0) return;
    if (place * ROW < box.scrollTop) box.scrollTop = place * ROW;
    if ((place + 1) * ROW > box.scrollTop + box.clientHeight) box.scrollTop = (place + 1) * ROW - box.clientHeight;
  });
  const since = Math.max(0, Math.floor(top / ROW) - 4);
  const until = Math.min(rows.length, Math.ceil((top + height) / ROW) + 4);
  const at = rows.findIndex((row) => same(chosen.value, row));
  const go = (place: number) => {
    const row = rows[Math.max(0, Math.min(rows.length - 1, place))];
    if (!row) return;
    choose(row);
    spoken.value = `${label(row)}: ${row.reasons.join("; ")}`;
  };
  const key = (event: KeyboardEvent) => {
    const page = Math.max(1, Math.floor(height / ROW) - 1);
    const moves: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: rows.length - 1,
    };
    if (!(event.key in moves)) return;
    event.preventDefault();
    go(moves[event.key]);
  };
  return (
    <section class="panel heads" aria-label="Heads">
      <header>
        <h2>{plural(rows.length, "head")}</h2>
        <label class="pick">
          Order{" "}
          <select
            value={by.value}
            onChange={(event) => {
              by.value = event.currentTarget.value as By;
            }}
          >
            <option value="unusual">most unusual</option>
            <option value="layer">layer</option>
            <option value="breadth">breadth</option>
            <option value="distance">distance</option>
          </select>
        </label>
      </header>
      <p class="legend">{order.value.note}</p>
      <ul
        ref={list}
        role="listbox"
        tabIndex={0}
        aria-label="Heads; arrow keys choose one"
        aria-activedescendant={at >= since && at < until ? `head${at}` : undefined}
        onScroll={(event) => setTop(event.currentTarget.scrollTop)}
        onKeyDown={key}
      >
        <li class="space" role="presentation" style={{ height: `${since * ROW}px` }} />
        {rows.slice(since, until).map((row, i) => (
          <Row key={`${row.layer}.${row.place}`} row={row} place={since + i} of={rows.length} go={go} />
        ))}
        <li class="space" role="presentation" style={{ height: `${(rows.length - until) * ROW}px` }} />
      </ul>
    </section>
  );
}

function Row({ row, place, of, go }: { row: HeadRow; place: number; of: number; go: (place: number) => void }) {
  const on = same(chosen.value, row);
  const why = row.reasons.join("; ");
  return (
    <li
      id={`head${place}`}
      role="option"
      class={on ? "on" : ""}
      aria-selected={on}
      aria-posinset={place + 1}
      aria-setsize={of}
      title={`${index.layers[row.layer].name}, head ${row.head}: ${why}`}
      onClick={() => go(place)}
    >
      <b>{label(row)}</b>
      {index.layers[row.layer].kind === "cross" && <em>cross</em>}
      <span class="figures">
        <i>breadth</i> {short(row.breadth)} <i>distance</i> {short(row.distance)}
      </span>
      <span class="why">{why}</span>
    </li>
  );
}
