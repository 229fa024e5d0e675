// Every head in a list, the most unusual first.
import { computed, signal } from "@preact/signals";
import { type HeadRow, index, type Order } from "./payload";
import { Roll } from "./roll";
import { choose, chosen, hiding, label, spoken } from "./state";
import { plural, short } from "./words";

const ROW = 46; // pixels, as .heads li in parts.css

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
  const rows = sorted.value;
  const go = (place: number) => {
    choose(rows[place]);
    spoken.value = `${label(rows[place])}: ${rows[place].reasons.join("; ")}`;
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
      <Roll
        rows={rows}
        at={rows.findIndex((row) => same(chosen.value, row))}
        mark={chosen.value}
        go={go}
        label="Heads; arrow keys choose one"
        prefix="head"
        height={ROW}
        title={(row) => `${index.layers[row.layer].name}, head ${row.head}: ${row.reasons.join("; ")}`}
      >
        {(row) => (
          <>
            <b>{label(row)}</b>
            {index.layers[row.layer].kind === "cross" && <em>cross</em>}
            <span class="figures">
              <i>breadth</i> {short(row.breadth)} <i>distance</i> {short(row.distance)}
            </span>
            <span class="why">{row.reasons.join("; ")}</span>
          </>
        )}
      </Roll>
    </section>
  );
}
