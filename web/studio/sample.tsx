// Further inputs on which explanations are measured: rows of a file.
import { signal, useSignal } from "@preact/signals";
import { first } from "./asking";
import { Chooser } from "./folders";
import { words } from "./language";

const USUAL = 30;
const MOST = 200;
const file = signal("");
const column = signal("");
const inputs = signal(USUAL);
/** Instead of a file: the run's own test part. */
const own = signal(false);

/** What goes with the question, where a file, or the run's own test part, was chosen. */
export function sampleOf(): Record<string, unknown> {
  if (own.value && first.testRows > 0) return { own: true, inputs: inputs.value };
  if (!file.value) return {};
  return { sample: file.value, inputs: inputs.value, ...(column.value ? { column: column.value } : {}) };
}

export function Sample() {
  const w = words.value.sample;
  const choosing = useSignal(false);
  const mine = own.value && first.testRows > 0;
  const name = mine ? w.testPart : (file.value.split("/").pop() ?? "");
  if (first.of?.takes === "picture" && first.of.kind === "model") return null;
  return (
    <details class="more">
      <summary>{name ? w.on(name) : w.none}</summary>
      <p class="legend">{w.about}</p>
      {first.testRows > 0 && (
        <label class="switch">
          <input type="checkbox" checked={mine} onChange={(event) => { own.value = event.currentTarget.checked; }} />
          <span>{w.own(first.testRows)}</span>
        </label>
      )}
      {!mine && <div class="field">
        <span id="sample-file">{w.file}</span>
        <span class="pair">
          <button type="button" aria-describedby="sample-file" onClick={() => { choosing.value = true; }}>
            {w.choose}
          </button>
          {file.value && (
            <button type="button" class="plain link" onClick={() => { file.value = ""; }}>
              {w.leave}
            </button>
          )}
          <code class="chosen-path">{file.value.split("/").pop() || w.noFile}</code>
        </span>
      </div>}
      <label class="field narrow">
        {w.inputs}
        <input
          type="number"
          min={2}
          max={MOST}
          value={inputs.value}
          onInput={(event) => {
            inputs.value = Math.min(MOST, Math.max(2, Math.round(event.currentTarget.valueAsNumber || USUAL)));
          }}
        />
      </label>
      {!mine && first.of?.takes === "text" && (
        <label class="field">
          {w.column}
          <input type="text" value={column.value} placeholder={w.usual} onInput={(event) => { column.value = event.currentTarget.value.trim(); }} />
        </label>
      )}
      {choosing.value && (
        <Chooser
          title={w.chooseTitle}
          folders={first.of?.takes !== "text"}
          choose={(path) => { file.value = path; }}
          close={() => { choosing.value = false; }}
        />
      )}
    </details>
  );
}
