// The runs that there are, their scores beside their baselines; those that are ticked are compared curve by curve.
import { signal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { get, wrongOf } from "./api";
import { Chart } from "./chart";
import { words } from "./language";
import type { Curve } from "./plotting";
import { Save } from "./save";
import { Scores } from "./scores";
import type { Wrong } from "./shapes";
import { figure } from "./sizes";
import { tasks, training } from "./training";
import type { RunLog, RunRow } from "./train-shapes";
import { Empty, Trouble } from "./trouble";
import { Told } from "./told";

const ticked = signal<readonly string[]>([]);
const logs = signal<Record<string, RunLog>>({});
const wrong = signal<Wrong | null>(null);

async function tick(id: string, on: boolean): Promise<void> {
  ticked.value = on ? [...ticked.value.filter((each) => each !== id), id] : ticked.value.filter((each) => each !== id);
  if (!on) return;
  try {
    wrong.value = null;
    const log = await get<RunLog>(`/api/runs/${id}/log`);
    logs.value = { ...logs.value, [id]: log }; // read after the wait: another may have come meanwhile
  } catch (error) {
    wrong.value = wrongOf(error);
  }
}

type Nested = Record<string, unknown>;

/** Settings by dotted path. Lists and what is said elsewhere in the body are left out. */
function flat(values: Nested, before = ""): Nested {
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) => {
      const path = before + name;
      if (["task", "core.kind", "data.path", "data.columns"].includes(path) || Array.isArray(value)) return [];
      if (value !== null && typeof value === "object") return Object.entries(flat(value as Nested, `${path}.`));
      return [[path, value]];
    }),
  );
}

/** What was asked when the run was begun, as it is asked again. */
function again(run: RunRow, asked: Nested): Nested {
  const data = (asked.data ?? {}) as { path?: string | null; columns?: Nested };
  const core = (asked.core ?? {}) as { kind?: string };
  const presets = tasks.value?.find((task) => task.name === run.task)?.presets ?? [];
  return {
    preset: core.kind && presets.includes(core.kind) ? core.kind : null,
    data: data.path ?? null,
    columns: data.columns ?? {},
    settings: flat(asked),
  };
}

/** Starts again what was stopped: the same settings in the same folder go on where it was. */
async function goOn(run: RunRow): Promise<void> {
  try {
    wrong.value = null;
    const log = await get<RunLog>(`/api/runs/${run.id}/log`);
    await training.start({ ...(log.again ?? again(run, log.config.asked ?? {})), task: run.task, folder: run.path });
  } catch (error) {
    wrong.value = wrongOf(error);
  }
}

export function Runs({ all }: { all: RunRow[] }) {
  const w = words.value.train;
  const body = useRef<HTMLElement>(null);
  if (!all.length) {
    return (
      <Empty title={w.noRuns}>
        <p>{w.noRunsDo}</p>
      </Empty>
    );
  }
  const told = ticked.value.flatMap((id) => (logs.value[id] ? [logs.value[id]] : []));
  return (
    <section class="panel runs" aria-label={w.runs} ref={body}>
      <header>
        <h3>{w.runs}</h3>
        <span class="quiet">{w.tick}</span>
      </header>
      <div class="scroll" tabIndex={0} role="region" aria-label={w.runs}>
        <table class="figures">
          <thead>
            <tr>
              <th scope="col">{w.run}</th>
              <th scope="col">{w.state}</th>
              <th scope="col">{w.score}</th>
              <th scope="col">{w.baseline}</th>
              <th scope="col">{w.epochs}</th>
              <th scope="col">{w.minutes}</th>
            </tr>
          </thead>
          <tbody>
            {all.map((run) => (
              <Row key={run.id} run={run} />
            ))}
          </tbody>
        </table>
      </div>
      {wrong.value && <Trouble wrong={wrong.value} />}
      {told.length > 0 && <Compared logs={told} element={() => body.current} />}
    </section>
  );
}

function Row({ run }: { run: RunRow }) {
  const w = words.value.train;
  const score = run.score;
  return (
    <tr>
      <th scope="row">
        <label class="tick">
          <input type="checkbox" checked={ticked.value.includes(run.id)} onChange={(event) => void tick(run.id, event.currentTarget.checked)} />
          <span>
            {run.name} <span class="quiet">{[run.task, run.core].filter(Boolean).join(", ")}</span>
          </span>
        </label>
      </th>
      <td>
        {w.states[run.state] ?? run.state}{" "}
        {run.why && (
          <span class="quiet">
            <Told text={run.why} />
          </span>
        )}
        {run.state === "begun" && (
          <button type="button" disabled={training.busy} onClick={() => void goOn(run)}>
            {w.goOn}
          </button>
        )}
      </td>
      <td>
        {score ? (
          <>
            <b>{figure(score.value)}</b>{" "}
            <span class="quiet">
              {score.name}
              {score.low !== null && score.high !== null && ` [${figure(score.low)}, ${figure(score.high)}]`}
            </span>
          </>
        ) : (
          "–"
        )}
      </td>
      <td>
        {run.baseline ? figure(run.baseline.value) : "–"} <span class="quiet" lang="en">{run.baseline_name}</span>
      </td>
      <td>{run.epochs ?? "–"}</td>
      <td>{figure(run.minutes)}</td>
    </tr>
  );
}

function Compared({ logs: told, element }: { logs: RunLog[]; element: () => HTMLElement | null }) {
  const w = words.value.train;
  const canvas = useRef<HTMLCanvasElement>(null);
  const curves = told.map(
    (log): Curve => ({
      name: log.name,
      points: log.points.flatMap((row): [number, number][] =>
        row.event === "epoch" && typeof row.validation_loss === "number" ? [[row.step ?? 0, row.validation_loss]] : [],
      ),
    }),
  );
  return (
    <div class="compared">
      <h4>{w.comparedTitle}</h4>
      <Chart title={w.comparedTitle} curves={curves.filter((curve) => curve.points.length)} axes={{ x: w.step, y: w.validationLoss }} canvas={canvas} />
      {told.map((log) => log.metrics && (
        <details key={log.id} open={told.length === 1}>
          <summary>{log.name}</summary>
          <Scores scores={log.metrics.scores} baselines={log.metrics.baselines} />
        </details>
      ))}
      <Save
        name="regard-runs"
        command={told[told.length - 1].command}
        of={{ value: told, element }}
        canvas={() => canvas.current}
      />
    </div>
  );
}
