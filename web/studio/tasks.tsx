// The form of a training: task, data, model, settings, and where its run is kept.
import { signal, useSignal } from "@preact/signals";
import { Chooser } from "./folders";
import { words } from "./language";
import { training } from "./training";
import type { Task } from "./train-shapes";
import { Told } from "./told";

const name = signal("");
const preset = signal("");
const data = signal("");
const columns = signal<Record<string, string>>({});
/** Only what was changed, by dotted path, as it was typed. */
const changed = signal<Record<string, string>>({});
const folder = signal("");
const probe = signal("");

/** A setting as it was typed, in the type it has: numbers and yes or no as such. */
function typed(text: string): unknown {
  if (text === "true" || text === "false") return text === "true";
  return text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
}

function body(task: Task): Record<string, unknown> {
  const settings = Object.fromEntries(
    Object.entries(changed.value)
      .filter(([path, text]) => text !== "" && text !== shownValue(task, path))
      .map(([path, text]) => [path, typed(text)]),
  );
  const named = Object.fromEntries(Object.entries(columns.value).filter(([role, each]) => each && task.columns.includes(role)));
  return {
    task: task.name,
    preset: task.presets.includes(preset.value) ? preset.value : null,
    data: data.value || null,
    columns: named,
    settings,
    folder: folder.value.trim() || `${task.name}-1`,
    probe: probe.value.trim() || null,
  };
}

const shownValue = (task: Task, path: string): string => {
  const value = task.settings.find((each) => each.path === path)?.value;
  return value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : `${value}`;
};

export function Tasks({ all }: { all: Task[] }) {
  const w = words.value.train;
  const choosing = useSignal(false);
  const task = all.find((each) => each.name === name.value) ?? all[0];
  if (!task) return <p class="missing">{w.noTasks}</p>;
  const needsData = !task.here && !data.value;
  return (
    <form
      class="panel ask"
      aria-label={w.form}
      onSubmit={(event) => {
        event.preventDefault();
        if (!needsData && !training.busy) void training.start(body(task));
      }}
    >
      <label class="field">
        {w.task}
        <select
          value={task.name}
          onChange={(event) => {
            name.value = event.currentTarget.value;
            changed.value = {};
          }}
        >
          {all.map((each) => (
            <option key={each.name}>{each.name}</option>
          ))}
        </select>
      </label>
      <p class="legend">
        <Told text={task.about} />
      </p>
      <p class="legend">
        {w.beside} <Told text={task.beside} /> · {w.takes} <Told text={task.takes} />
      </p>
      <div class="field">
        <span id="train-data">{w.data}</span>
        <span class="pair">
          <button type="button" aria-describedby="train-data" onClick={() => { choosing.value = true; }}>
            {w.choose}
          </button>
          <code class="chosen-path">{data.value.split("/").pop() || (task.here && task.data) || w.noData}</code>
          {data.value && (
            <button type="button" class="plain link" onClick={() => { data.value = ""; }}>
              {w.clear}
            </button>
          )}
        </span>
      </div>
      {data.value && task.columns.map((role) => (
        <label class="field narrow" key={role}>
          {w.column(role)}
          <input
            type="text"
            value={columns.value[role] ?? ""}
            placeholder={role}
            onInput={(event) => {
              columns.value = { ...columns.value, [role]: event.currentTarget.value };
            }}
          />
        </label>
      ))}
      {needsData && <p class="legend">{w.needData(task.data ?? "")} <Told text={task.files} /></p>}
      {task.presets.length > 0 && (
        <label class="field">
          {w.preset}
          <select
            value={task.presets.includes(preset.value) ? preset.value : ""}
            onChange={(event) => {
              preset.value = event.currentTarget.value;
            }}
          >
            <option value="">{w.usual}</option>
            {task.presets.map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </label>
      )}
      <label class="field">
        {w.folder}
        <input
          type="text"
          value={folder.value}
          placeholder={`${task.name}-1`}
          onInput={(event) => {
            folder.value = event.currentTarget.value;
          }}
        />
      </label>
      {task.input === "text" && (
        <label class="field">
          {w.probe}
          <textarea
            rows={2}
            value={probe.value}
            placeholder={w.probeExample}
            onInput={(event) => {
              probe.value = event.currentTarget.value;
            }}
          />
        </label>
      )}
      <Settings task={task} />
      <button type="submit" class="primary" disabled={needsData || training.busy}>
        {training.busy ? w.busy : w.start}
      </button>
      <p class="legend">{w.goesOn}</p>
      {choosing.value && (
        <Chooser
          title={w.chooseTitle}
          folders
          choose={(path) => {
            data.value = path;
          }}
          close={() => {
            choosing.value = false;
          }}
        />
      )}
    </form>
  );
}

function Settings({ task }: { task: Task }) {
  const w = words.value.train;
  if (!task.settings.length) return null;
  return (
    <details class="more">
      <summary>{w.settings(task.settings.length)}</summary>
      {task.settings.map((each) => (
        <label class="field setting" key={each.path}>
          <code>{each.path}</code>
          <input
            type="text"
            value={changed.value[each.path] ?? shownValue(task, each.path)}
            onInput={(event) => {
              changed.value = { ...changed.value, [each.path]: event.currentTarget.value };
            }}
          />
          {each.about && (
            <span class="legend" lang="en">
              {each.about}
            </span>
          )}
        </label>
      ))}
    </details>
  );
}
