// The room Spend: a slider over budgets; the answer, the error, time and memory move with it, and every head's share.
import { computed, signal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { Choice } from "../src/choice";
import { percent } from "../src/words";
import { Ask } from "./ask";
import { useArriving } from "./arriving";
import { first } from "./asking";
import { Chart } from "./chart";
import { Grid, type Figure } from "./grid";
import { words } from "./language";
import type { Curve } from "./plotting";
import { Save } from "./save";
import { figure, sized, timed } from "./sizes";
import type { SpendResult, SpentRow } from "./spend-shapes";
import { Empty, Progress } from "./trouble";
import { Work } from "./work";
import { Told } from "./told";

const FRACTIONS = [0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75];
const POLICIES = ["focus", "window", "allocated", "tokens"] as const;

export const spending = new Work<SpendResult>("spend");
const policy = signal("");
const place = signal(-1);
const shown = signal<Figure>("breadth");

/** Every budget, the smallest first, and last all of it. */
const rows = computed<SpentRow[]>(() => {
  const found = spending.result.value;
  return found ? [...[...found.rows].sort((a, b) => a.fraction - b.fraction), found.exact] : [];
});

const allowed = (): readonly string[] => first.of?.policies ?? POLICIES;
const policyNow = (): string => (allowed().includes(policy.value) ? policy.value : (allowed()[0] ?? "focus"));

function go(): void {
  const input = first.input;
  if (!input) return;
  place.value = -1;
  void spending.start({ subject: first.subject.value, ...input, fractions: FRACTIONS, policy: policyNow() });
}

export function Spend() {
  const w = words.value.spend;
  const found = spending.result.value;
  const grid = useRef<HTMLCanvasElement>(null);
  const arriving = useArriving(found);
  const names: Record<string, string> = w.policies;
  return (
    <div class={`room two-columns ${found ? "with-result" : ""}`}>
      <div class="asked">
        <Ask room="spend" asking={first} busy={spending.busy} verb={w.verb} go={go}>
          <label class="field">
            {w.policy}
            <select
              value={policyNow()}
              onChange={(event) => {
                policy.value = event.currentTarget.value;
              }}
            >
              {allowed().map((each) => (
                <option key={each} value={each}>
                  {names[each] ?? each}
                </option>
              ))}
            </select>
          </label>
        </Ask>
        {spending.state.value !== "none" && <Progress work={spending} />}
      </div>
      <div class="result" ref={arriving}>
        {!found && !spending.busy && (
          <Empty title={w.emptyTitle}>
            <p>{w.empty}</p>
          </Empty>
        )}
        {found && (
          <>
            <Budget found={found} />
            <Heads grid={grid} />
            <div class="notes">
              {[found.measured, ...found.notes].map((note) => (
                <p key={note}>
                  <Told text={note} />
                </p>
              ))}
            </div>
            <Save name="regard-spend" job={spending.job.value} command={spending.command.value} canvas={() => grid.current} />
          </>
        )}
      </div>
    </div>
  );
}

const at = (): number => (place.value < 0 ? rows.value.length - 1 : Math.min(place.value, rows.value.length - 1));

function Budget({ found }: { found: SpendResult }) {
  const w = words.value.spend;
  const row = rows.value[at()];
  const exact = found.exact;
  const unit = w.lossUnits[found.unit ?? ""] ?? found.unit ?? "";
  const times = (value: number | null, whole: number | null) =>
    value !== null && whole && value !== whole ? w.times(figure(value / whole)) : "";
  const said = `${percent(row.fraction)}: ${row.answer ?? ""}`;
  return (
    <section class="panel budget" aria-label={w.title}>
      <header>
        <h3>{w.title}</h3>
        <output class="large" for="budget">
          {row === exact ? w.all : `${figure(100 * row.fraction)} %`}
        </output>
      </header>
      <input
        id="budget"
        type="range"
        min={0}
        max={rows.value.length - 1}
        step={1}
        value={at()}
        aria-label={w.slider}
        aria-valuetext={said}
        onInput={(event) => {
          place.value = event.currentTarget.valueAsNumber;
        }}
      />
      <p class="ticks" aria-hidden="true">
        {rows.value.map((each, i) => (
          <span key={each.fraction} style={{ left: `${(100 * i) / Math.max(1, rows.value.length - 1)}%` }}>{each === exact ? w.all : `${figure(100 * each.fraction)} %`}</span>
        ))}
      </p>
      <dl class="numbers" aria-live="polite">
        <div class="wide">
          <dt>{w.answer}</dt>
          <dd>
            {row.answer ?? "–"} {row !== exact && row.answer && <em class={row.same ? "same" : "other"}>{row.same ? w.same : w.other}</em>}
          </dd>
        </div>
        <Number name={w.error} value={row === exact ? "0" : figure(row.error)} note={w.errorOf} />
        {row.loss !== null && (
          <Number name={w.loss} value={figure(row.loss)} note={row.increase === null ? unit : w.increase(figure(row.increase), unit)} />
        )}
        {row.seconds !== null && <Number name={w.time} value={timed(row.seconds)} note={`${w.per[row.seconds_of ?? "pass"] ?? ""} ${times(row.seconds, exact.seconds)}`} />}
        {row.bytes !== null && <Number name={w.memory} value={sized(row.bytes)} note={`${w.memoryOf} ${times(row.bytes, exact.bytes)}`} />}
        {row.cache_bytes !== null && <Number name={w.cache} value={sized(row.cache_bytes)} note={`${w.cacheOf} ${times(row.cache_bytes, exact.cache_bytes)}`} />}
      </dl>
      <Chart title={w.curve} curves={curves(found)} axes={{ x: w.fraction, y: w.error, log: true }} mark={row.fraction} />
    </section>
  );
}

function Number({ name, value, note }: { name: string; value: string; note: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <b>{value}</b> <span class="quiet">{note}</span>
      </dd>
    </div>
  );
}

function curves(found: SpendResult): Curve[] {
  const w = words.value.spend;
  const points = rows.value.flatMap((row): [number, number][] =>
    row === found.exact ? [[1, 0]] : row.error === null ? [] : [[row.fraction, row.error]],
  );
  return [{ name: w.error, points }];
}

function Heads({ grid }: { grid: { current: HTMLCanvasElement | null } }) {
  const w = words.value.spend;
  const row = rows.value[at()];
  if (!row.heads.length) return null;
  const measured = row.heads.some((head) => head.read !== null);
  return (
    <section class="panel" aria-label={w.heads}>
      <header>
        <h3>{w.heads}</h3>
        <Choice
          name="grid"
          label={w.show}
          value={shown.value}
          options={[
            ["breadth", w.breadth],
            ["distance", w.depth],
            ...(measured ? ([["read", w.read]] as [string, string][]) : []),
          ]}
          set={(value) => {
            shown.value = value as Figure;
          }}
        />
      </header>
      <Grid heads={row.heads} figure={shown.value === "read" && !measured ? "breadth" : shown.value} canvas={grid} />
    </section>
  );
}
