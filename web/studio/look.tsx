// The room Look: where attention goes, in one model on one input, or two side by side.
import { effect, signal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { percent, short } from "../src/words";
import { Ask, InputPick, SubjectPick } from "./ask";
import { useArriving } from "./arriving";
import { first, second } from "./asking";
import { words } from "./language";
import type { CompareResult, LookResult } from "./look-shapes";
import { Save } from "./save";
import { Seen } from "./seen";
import { Shown } from "./shown";
import { sized, timed } from "./sizes";
import { Empty, Progress } from "./trouble";
import { Work } from "./work";
import { Told } from "./told";

type Beside = "nothing" | "model" | "input";
const beside = signal<Beside>("nothing");
const budget = signal(1);

export const looking = new Work<LookResult>("look");
export const comparing = new Work<CompareResult>("compare");
/** Which of the two has what is shown. */
const latest = signal<"look" | "compare">("look");
const left = new Seen("a");
const right = new Seen("b");

effect(() => {
  const found = looking.result.value;
  if (!found) return;
  latest.value = "look";
  void left.open(found.look);
});
effect(() => {
  const found = comparing.result.value;
  if (!found) return;
  latest.value = "compare";
  void left.open(found.looks[0]);
  void right.open(found.looks[1]);
});

function go(): void {
  const input = first.input;
  if (!input) return;
  const subject = first.subject.value;
  for (const work of [looking, comparing]) work.forget(); // what went wrong before is over
  if (beside.value === "model") void comparing.start({ subjects: [subject, second.subject.value], ...input });
  else if (beside.value === "input" && second.input) void comparing.start({ subject, inputs: [input, second.input] });
  else void looking.start({ subject, ...input, ...(budget.value < 1 ? { budget: budget.value } : {}) });
}

export function Look() {
  const w = words.value.look;
  const maps = [useRef<HTMLCanvasElement>(null), useRef<HTMLCanvasElement>(null)];
  const two = latest.value === "compare";
  const work = two ? comparing : looking;
  const busy = looking.busy || comparing.busy;
  const any = left.look.value !== null || left.wrong.value !== null;
  const result = looking.result.value;
  const arriving = useArriving(work.result.value);
  return (
    <div class={`room two-columns ${any ? "with-result" : ""}`}>
      <div class="asked">
        <Ask room="look" asking={first} busy={busy} verb={beside.value === "nothing" ? w.verb : w.verbTwo} go={go}>
          <Settings />
        </Ask>
        {looking.state.value !== "none" && <Progress work={looking} />}
        {comparing.state.value !== "none" && <Progress work={comparing} />}
        {result && !two && <p class="legend">{w.took(timed(result.seconds), sized(result.bytes))}</p>}
      </div>
      <div class="result" ref={arriving}>
        {!any && !busy && (
          <Empty title={w.emptyTitle}>
            <p>{w.empty}</p>
          </Empty>
        )}
        {any && (
          <>
            {two && <Changes />}
            <div class={two ? "beside" : ""}>
              <Shown seen={left} map={maps[0]} />
              {two && <Shown seen={right} map={maps[1]} />}
            </div>
            <Save
              name={two ? "regard-compare" : "regard-look"}
              job={work.job.value}
              command={work.command.value}
              canvas={() => maps[0].current}
            />
          </>
        )}
      </div>
    </div>
  );
}

function Settings() {
  const w = words.value.look;
  const core = first.of?.core;
  return (
    <details class="more">
      <summary>{w.more}</summary>
      <label class="field">
        {w.beside}
        <select
          value={beside.value}
          onChange={(event) => {
            beside.value = event.currentTarget.value as Beside;
          }}
        >
          <option value="nothing">{w.besides.nothing}</option>
          <option value="model">{w.besides.model}</option>
          <option value="input">{w.besides.input}</option>
        </select>
      </label>
      {beside.value === "model" && <SubjectPick asking={second} label={w.second} room="look" />}
      {beside.value === "input" && (
        <fieldset class="second">
          <legend>{w.secondInput}</legend>
          <InputPick asking={second} name="way-second" />
        </fieldset>
      )}
      <label class="field narrow">
        {w.tokens}
        <input
          type="number"
          min={0}
          step={256}
          value={first.tokens.value || ""}
          placeholder={w.allTokens}
          onInput={(event) => {
            first.tokens.value = Math.max(0, Math.round(event.currentTarget.valueAsNumber || 0));
          }}
        />
      </label>
      {core === "transformer" && beside.value === "nothing" && (
        <label class="field">
          {w.budget(percent(budget.value))}
          <input
            type="range"
            min={0.1}
            max={1}
            step={0.05}
            value={budget.value}
            onInput={(event) => {
              budget.value = event.currentTarget.valueAsNumber;
            }}
          />
        </label>
      )}
    </details>
  );
}

/** Heads that differ most between the two, when their layers match. */
function Changes() {
  const w = words.value.look;
  const found = comparing.result.value;
  if (!found) return null;
  return (
    <section class="panel changes" aria-label={w.changes}>
      <header>
        <h3>{w.changes}</h3>
      </header>
      {found.note && <p class="legend"><Told text={found.note} /></p>}
      {found.changes.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label={w.changes}>
          <table class="figures">
            <thead>
              <tr>
                <th scope="col">{w.head}</th>
                <th scope="col">{w.variation}</th>
                <th scope="col">{w.breadths}</th>
                <th scope="col">{w.distances}</th>
              </tr>
            </thead>
            <tbody>
              {found.changes.slice(0, 8).map((each) => (
                <tr key={`${each.layer}.${each.head}`}>
                  <th scope="row">
                    <code>
                      {each.layer} H{each.head}
                    </code>
                  </th>
                  <td>{each.variation === null ? "–" : percent(each.variation)}</td>
                  <td>{each.breadth.map(short).join(" → ")}</td>
                  <td>{each.distance.map(short).join(" → ")}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
