// A plan: which kernel would run, at what cost, and why not the others.
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Answered } from "./answered";
import { words } from "./language";
import type { Planned } from "./learn-shapes";
import { Save } from "./save";
import { figure, sized } from "./sizes";
import { Trouble } from "./trouble";
import { Told } from "./told";

const asked = signal({ query: "1,8,4096,64", key: "", mask: "Causal() & Window(255, 0)", dtype: "float32", gradients: false });
const planned = new Answered<Planned>("/api/learn/plan");

const shape = (text: string): number[] | null => (text.trim() ? text.split(/[\s,，]+/).filter(Boolean).map(Number) : null);

function ask(): void {
  const { query, key, mask, dtype, gradients } = asked.value;
  void planned.ask({ query: shape(query), key: shape(key), value: null, mask: mask.trim() || null, dtype, gradients });
}

export function Plans() {
  const w = words.value.learn;
  const found = planned.value.value;
  const body = useRef<HTMLElement>(null);
  const set = (more: Partial<typeof asked.value>) => {
    asked.value = { ...asked.value, ...more };
  };
  const field = (name: string, of: "query" | "key" | "mask", example: string, wide = false) => (
    <label class={`field ${wide ? "grow" : ""}`}>
      {name}
      <input type="text" class="code" spellcheck={false} value={asked.value[of]} placeholder={example} onInput={(event) => set({ [of]: event.currentTarget.value })} />
    </label>
  );
  useEffect(() => {
    if (!planned.value.peek()) ask();
  }, []);
  return (
    <section class="panel lesson" aria-label={w.plans} ref={body}>
      <header>
        <h2>{w.plans}</h2>
      </header>
      <p class="legend">{w.plansAbout}</p>
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault();
          ask();
        }}
      >
        {field(w.shapeOfQuery, "query", "1,8,4096,64")}
        {field(w.shapeOfKey, "key", w.asQuery)}
        {field(w.mask, "mask", w.noMask, true)}
        <label class="field">
          {w.dtype}
          <select value={asked.value.dtype} onChange={(event) => set({ dtype: event.currentTarget.value })}>
            {["float32", "bfloat16", "float16", "float64"].map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </label>
        <label class="switch">
          <input type="checkbox" checked={asked.value.gradients} onChange={(event) => set({ gradients: event.currentTarget.checked })} />
          <span>{w.gradients}</span>
        </label>
        <button type="submit" class="primary">
          {w.plan}
        </button>
      </form>
      {planned.wrong.value && <Trouble wrong={planned.wrong.value} />}
      {found && (
        <>
          <p role="status">
            {w.chosen} <b>{found.chosen}</b> <span class="quiet"><Told text={found.why} /></span>
          </p>
          <div class="scroll" tabIndex={0} role="region" aria-label={w.kernels}>
            <table class="figures">
              <caption>{w.kernels}</caption>
              <thead>
                <tr>
                  <th scope="col">{w.kernel}</th>
                  <th scope="col">{w.time}</th>
                  <th scope="col">{w.memory}</th>
                  <th scope="col">{w.reason}</th>
                </tr>
              </thead>
              <tbody>
                {found.kernels.map((kernel) => (
                  <tr key={kernel.name} class={kernel.chosen ? "on" : kernel.reason ? "rejected" : ""}>
                    <th scope="row">
                      {kernel.name} {kernel.chosen && <em>{w.runs}</em>}
                    </th>
                    <td>{kernel.milliseconds === null ? "–" : `${figure(kernel.milliseconds)} ms`}</td>
                    <td>{sized(kernel.bytes)}</td>
                    <td>{kernel.reason ? <Told text={kernel.reason} /> : <span class="quiet"><Told text={kernel.about} /></span>}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          <Save name="regard-plan" command={found.command} of={{ value: found, element: () => body.current }} />
        </>
      )}
    </section>
  );
}
