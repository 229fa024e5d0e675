// A training that is watched: its curves, its attention to a text of one's own as it changes, and its scores at the end.
import { computed, signal } from "@preact/signals";
import { useMemo, useRef } from "preact/hooks";
import { shaded } from "../src/shading";
import { alone, percent, whole } from "../src/words";
import { Chart } from "./chart";
import { words } from "./language";
import type { Curve } from "./plotting";
import { spoken } from "./rooms";
import { Save } from "./save";
import { Scores } from "./scores";
import type { Point, Units } from "./shapes";
import { training } from "./training";
import { UnitsView } from "./units";

const points = computed<Point[]>(() => {
  const live = training.points.value;
  return live.length ? live : (training.result.value?.points ?? []);
});

/** Which of the attention rows is shown; -1: the latest. */
const step = signal(-1);
const chosen = signal(-1);
const NOTHING = new Set<number>();

const pairs = (rows: Point[], y: (row: Point) => number | null | undefined): [number, number][] =>
  rows.flatMap((row): [number, number][] => {
    const value = y(row);
    return row.step === undefined || value === null || value === undefined ? [] : [[row.step, value]];
  });

export function losses(rows: Point[]): Curve[] {
  const w = words.value.train;
  return [
    { name: w.trainLoss, points: pairs(rows, (row) => (row.event === "step" ? row.loss : null)) },
    { name: w.validationLoss, points: pairs(rows, (row) => (row.event === "epoch" ? row.validation_loss : null)) },
  ].filter((curve) => curve.points.length);
}

export function Watched() {
  const w = words.value.train;
  const found = training.result.value;
  const canvas = useRef<HTMLCanvasElement>(null);
  const curves = losses(points.value);
  const last = points.value.filter((row) => row.event === "step" || row.event === "epoch").at(-1);
  const bad = points.value.filter((row) => row.event === "non-finite loss").length;
  return (
    <section class="panel watched" aria-label={w.watched}>
      <header>
        <h3>{w.watched}</h3>
        {last && <span class="quiet">{w.at(whole(last.step ?? 0), `${last.epoch ?? ""}`)}</span>}
      </header>
      {bad > 0 && <p class="legend">{w.nonFinite(bad)}</p>}
      {curves.length > 0 ? (
        <Chart title={w.curves} curves={curves} axes={{ x: w.step, y: w.loss }} canvas={canvas} />
      ) : (
        training.busy && <p class="missing">{w.noPoints}</p>
      )}
      <Attention />
      {found && training.state.value === "done" && (
        <>
          <Scores scores={found.scores} baselines={found.baselines} />
          <Save name={`regard-train`} job={training.job.value} command={training.command.value} canvas={() => canvas.current} />
        </>
      )}
    </section>
  );
}

function Attention() {
  const w = words.value.train;
  const rows = points.value.filter((row) => row.event === "attention" && row.units && row.received);
  const at = step.value < 0 ? rows.length - 1 : Math.min(step.value, rows.length - 1);
  const row = rows[at];
  const units = useMemo<Units | null>(
    () =>
      row
        ? { kind: "token", count: row.units!.length, texts: row.units!, spans: null, source: null, grid: null, special: 0 }
        : null,
    [row?.units?.join("\n")],
  );
  const levels = useMemo(() => (row ? shaded(row.received!, NOTHING, "linear") : new Uint8Array()), [row]);
  if (!row || !units) return null;
  return (
    <div class="attention">
      <h4>{w.attention(whole(row.step ?? 0))}</h4>
      {rows.length > 1 && (
        <label class="field">
          {w.when}
          <input
            type="range"
            min={0}
            max={rows.length - 1}
            value={at}
            aria-valuetext={w.attention(whole(row.step ?? 0))}
            onInput={(event) => {
              const next = event.currentTarget.valueAsNumber;
              step.value = next === rows.length - 1 ? -1 : next;
            }}
          />
        </label>
      )}
      <UnitsView
        units={units}
        levels={levels}
        chosen={chosen.value}
        choose={(place) => {
          chosen.value = place;
        }}
        say={(place) => {
          spoken.value = `“${alone(units.texts[place])}”: ${percent(row.received![place])}`;
        }}
        label={w.attentionHelp}
      />
    </div>
  );
}
