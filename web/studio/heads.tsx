// The heads of a look: a list, the most unusual first, and breadth against distance.
import { Points } from "../src/points";
import { Roll } from "../src/roll";
import { short, whole } from "../src/words";
import { language, words } from "./language";
import { said } from "./told";
import { spoken } from "./rooms";
import { label, type Order, type Row, type Seen } from "./seen";

const reasoned = (reasons: string[]): string => reasons.map(said).join(language.value === "zh" ? "；" : "; ");

const FEW = 9; // heads that are shown without scrolling
const ROW = 66; // pixels, as .heads li in style.css

const place = (rows: Row[], at: Row | null) => rows.findIndex((row) => row.layer === at?.layer && row.head === at?.head);

const say = (row: Row): string => {
  const w = words.value.heads;
  return `${label(row)}: ${w.breadth} ${short(row.breadth)} ${w.keys}, ${w.distance} ${short(row.distance)} ${w.places}`;
};

export function Heads({ seen }: { seen: Seen }) {
  const w = words.value.heads;
  const rows = seen.rows.value;
  return (
    <section class={`panel heads ${rows.length <= FEW ? "few" : ""}`} aria-label={w.title}>
      <header>
        <h3>{w.count(whole(rows.length))}</h3>
        <label class="pick">
          {w.order}{" "}
          <select
            value={seen.order.value}
            onChange={(event) => {
              seen.order.value = event.currentTarget.value as Order;
            }}
          >
            {(["ranked", "layer", "breadth", "distance"] as const).map((order) => (
              <option key={order} value={order}>
                {w.orders[order]}
              </option>
            ))}
          </select>
        </label>
      </header>
      <Roll
        rows={rows}
        at={place(rows, seen.chosen.value)}
        mark={`${seen.chosen.value?.layer}.${seen.chosen.value?.head}`}
        go={(at) => {
          seen.choose(rows[at]);
          spoken.value = `${say(rows[at])}. ${reasoned(rows[at].reasons)}`;
        }}
        label={w.list}
        prefix={`${seen.name}-head`}
        height={ROW}
        title={(row) => `${row.of.name}, ${w.head} ${row.head}: ${reasoned(row.reasons)}`}
      >
        {(row) => (
          <>
            <b>{label(row)}</b>
            <span class="figures">
              <i>{w.breadth}</i> {short(row.breadth)} <i>{w.distance}</i> {short(row.distance)}
            </span>
            <span class="why">
              {row.of.kind === "cross" && <em>{w.cross}</em>} {reasoned(row.reasons) || w.usual}
            </span>
          </>
        )}
      </Roll>
    </section>
  );
}

export function Scatter({ seen }: { seen: Seen }) {
  const w = words.value.heads;
  const rows = seen.rows.value;
  if (!rows.length) return null;
  return (
    <section class="panel scatter" aria-label={w.scatter}>
      <header>
        <h3>{w.scatter}</h3>
      </header>
      <Points
        rows={rows}
        chosen={rows[place(rows, seen.chosen.value)] ?? null}
        choose={(row) => seen.choose(row)}
        describe={say}
        say={(text) => {
          spoken.value = text;
        }}
        label={w.scatterHelp}
        across={`${w.breadth}, ${w.keys} (log)`}
        up={`${w.distance}, ${w.places} (log)`}
        prefix={`${seen.name}-point`}
      />
      <p class="legend">{w.later}</p>
    </section>
  );
}
