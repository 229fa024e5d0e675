// The room Why: explanations of one answer by several methods, each with the evidence for it.
import { signal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { percent } from "../src/words";
import { get } from "./api";
import { Ask } from "./ask";
import { useArriving } from "./arriving";
import { first } from "./asking";
import { Card } from "./explained";
import { words } from "./language";
import { Save } from "./save";
import { Empty, Progress } from "./trouble";
import type { WhyResult } from "./why-shapes";
import { Work } from "./work";
import { Told } from "./told";
import { Sample, sampleOf } from "./sample";

interface Method {
  name: string;
  about: string;
}

export const explaining = new Work<WhyResult>("why");
const methods = signal<Method[]>([]);
const wanted = signal<ReadonlySet<string>>(new Set());
const target = signal("");
const chosen = signal(-1);

let asked = false;
export async function findMethods(): Promise<void> {
  if (asked) return;
  asked = true;
  try {
    methods.value = (await get<Method[]>("/api/methods")).filter((each) => each.name !== "best"); // none ticked is "best"
  } catch {
    asked = false; // asked again when the room is next opened; "best" works without
  }
}

function go(): void {
  const input = first.input;
  if (!input) return;
  chosen.value = -1;
  void explaining.start({
    subject: first.subject.value,
    ...input,
    ...(target.value ? { target: target.value } : {}),
    methods: wanted.value.size ? [...wanted.value] : ["best"],
    ...sampleOf(),
  });
}

export function Why() {
  const w = words.value.why;
  const found = explaining.result.value;
  const cards = useRef<HTMLDivElement>(null);
  const arriving = useArriving(found);
  return (
    <div class={`room two-columns ${found ? "with-result" : ""}`}>
      <div class="asked">
        <Ask room="why" asking={first} busy={explaining.busy} verb={w.verb} go={go}>
          <Target />
          <Methods />
          <Sample />
        </Ask>
        {explaining.state.value !== "none" && <Progress work={explaining} />}
      </div>
      <div class="result" ref={arriving}>
        {!found && !explaining.busy && (
          <Empty title={w.emptyTitle}>
            <p>{w.empty}</p>
          </Empty>
        )}
        {found && (
          <>
            <section class="panel answer" aria-label={w.answer}>
              <p>
                {w.answer} <b>{found.target}</b> {found.probability !== null && <span class="quiet">{w.probability(percent(found.probability))}</span>}
              </p>
              <Targets of={found} />
              {found.best && <p class="legend">{(found.tied?.length ? w.largest : w.best)(found.best)}</p>}
              {[found.note, ...(found.notes ?? [])].map(
                (note) =>
                  note && (
                    <p class="legend" key={note}>
                      <Told text={note} />
                    </p>
                  ),
              )}
              {!!found.left_out?.length && (
                <details>
                  <summary>{w.leftOut(found.left_out.length)}</summary>
                  <ul class="legend">
                    {found.left_out.map((each) => (
                      <li key={each.method}>
                        <b>{each.method}</b>: <Told text={each.why} />
                      </li>
                    ))}
                  </ul>
                </details>
              )}
            </section>
            <div class="cards" ref={cards}>
              {[...found.explanations].sort((a, b) => Number(b.chosen) - Number(a.chosen)).map((each) => (
                <Card key={each.method} of={each} units={found.units} picture={found.picture ?? null} tied={!!found.tied?.length} chosen={chosen} alone={found.explanations.length < 3} />
              ))}
            </div>
            <p class="notes">
              <Told text={found.limits} />
            </p>
            <Save
              name="regard-why"
              job={explaining.job.value}
              command={explaining.command.value}
              canvas={found.units.grid || cards.current?.querySelector("canvas") ? () => cards.current?.querySelector("canvas") ?? null : undefined}
            />
          </>
        )}
      </div>
    </div>
  );
}

/** How likely each answer is: bars, so that numbers can be compared. */
function Targets({ of }: { of: WhyResult }) {
  if (of.targets.length < 2) return null;
  return (
    <ul class="bars">
      {of.targets.slice(0, 6).map(([name, share]) => (
        <li key={name} class={name === of.target ? "on" : ""}>
          <span>{name}</span>
          <meter min={0} max={1} value={share} aria-label={name}>
            {percent(share)}
          </meter>
          <b>{percent(share)}</b>
        </li>
      ))}
    </ul>
  );
}

function Target() {
  const w = words.value.why;
  const labels = first.of?.labels ?? [];
  if (!labels.length) {
    return (
      <label class="field">
        {w.target}
        <input
          type="text"
          value={target.value}
          placeholder={w.likeliest}
          onInput={(event) => {
            target.value = event.currentTarget.value;
          }}
        />
      </label>
    );
  }
  return (
    <label class="field">
      {w.target}
      <select
        value={labels.includes(target.value) ? target.value : ""}
        onChange={(event) => {
          target.value = event.currentTarget.value;
        }}
      >
        <option value="">{w.likeliest}</option>
        {labels.map((label) => (
          <option key={label}>{label}</option>
        ))}
      </select>
    </label>
  );
}

function Methods() {
  const w = words.value.why;
  const set = (name: string, on: boolean) => {
    const next = new Set(wanted.value);
    if (on) next.add(name);
    else next.delete(name);
    wanted.value = next;
  };
  if (!methods.value.length) return null;
  return (
    <details class="more">
      <summary>{wanted.value.size ? w.several(wanted.value.size) : w.bestOf}</summary>
      <fieldset class="checks">
        <legend>{w.methods}</legend>
        {methods.value.map((each) => (
          <label key={each.name}>
            <input type="checkbox" checked={wanted.value.has(each.name)} onChange={(event) => set(each.name, event.currentTarget.checked)} />
            <span>
              <b>{each.name}</b> <span class="quiet"><Told text={each.about} /></span>
            </span>
          </label>
        ))}
      </fieldset>
    </details>
  );
}
