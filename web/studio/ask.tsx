// The panel in which a room is asked: a run or model, and a text, a file or a row.
import type { ComponentChildren } from "preact";
import { useSignal } from "@preact/signals";
import { Choice } from "../src/choice";
import { type Asking, findSubjects, subjects, subjectsWrong } from "./asking";
import { Chooser } from "./folders";
import { words } from "./language";
import type { Room } from "./rooms";
import { Empty, Trouble } from "./trouble";
import { Told } from "./told";

/** The choice of one run or model. */
export function SubjectPick({ asking, label, room }: { asking: Asking; label: string; room: Room }) {
  const w = words.value.ask;
  const all = subjects.value ?? [];
  const able = (can: string[]) => room === "train" || room === "learn" || can.includes(room);
  const options = (kind: "run" | "model") =>
    all
      .filter((each) => each.kind === kind)
      .map((each) => (
        <option key={each.id} value={each.id}>
          {each.name}
          {able(each.can) ? "" : ` (${w.cannot})`}
        </option>
      ));
  const of = asking.of;
  return (
    <div>
      <label class="field">
        {label}
        <select
          value={asking.subject.value}
          onChange={(event) => {
            asking.subject.value = event.currentTarget.value;
          }}
        >
          {all.some((each) => each.kind === "run") && <optgroup label={w.runs}>{options("run")}</optgroup>}
          {all.some((each) => each.kind === "model") && <optgroup label={w.models}>{options("model")}</optgroup>}
        </select>
      </label>
      {of && of.can.length > 0 && (
        <p class="legend">
          {of.task ? w.task(of.task) : w.foreign}
          {of.layers && of.heads ? ` · ${w.size(of.layers, of.heads)}` : ""}
        </p>
      )}
    </div>
  );
}

/** The input: typed, from a file, or out of a run's own test part. */
export function InputPick({ asking, name }: { asking: Asking; name: string }) {
  const w = words.value.ask;
  const choosing = useSignal(false);
  const of = asking.of;
  const typed = of?.typed !== false;
  const rows = of?.kind === "run" || asking.file.value.match(/\.(csv|tsv|jsonl|parquet)$/);
  return (
    <div class="input">
      {(typed || asking.testRows > 0) && (
        <Choice
          name={name}
          label={w.input}
          value={asking.asksTest ? "test" : asking.asksText ? "text" : "file"}
          options={[
            ...(typed ? [["text", w.text] as [string, string]] : []),
            ["file", w.file],
            ...(asking.testRows > 0 ? [["test", w.test] as [string, string]] : []),
          ]}
          set={(value) => {
            asking.way.value = value as "text" | "file" | "test";
          }}
        />
      )}
      {asking.asksTest ? (
        <>
          <RowPick asking={asking} label={w.rowOf(asking.testRows)} most={asking.testRows} />
          <p class="legend">{w.testAbout}</p>
        </>
      ) : asking.asksText ? (
        <>
          <label class="field">
            {w.yours}
            <textarea
              rows={5}
              value={asking.text.value}
              placeholder={w.placeholder}
              onInput={(event) => {
                asking.text.value = event.currentTarget.value;
              }}
            />
          </label>
          {!asking.text.value && (
            <button
              type="button"
              class="plain link"
              onClick={() => {
                asking.text.value = w.example;
              }}
            >
              {w.tryThis}
            </button>
          )}
        </>
      ) : (
        <>
          <div class="field">
            <span id={`${name}-file`}>{w.takes[of?.takes ?? "text"] ?? w.file}</span>
            <span class="pair">
              <button type="button" aria-describedby={`${name}-file`} onClick={() => { choosing.value = true; }}>
                {w.choose}
              </button>
              <code class="chosen-path">{asking.file.value.split("/").pop() || w.noFile}</code>
            </span>
          </div>
          {rows && <RowPick asking={asking} label={w.row} />}
        </>
      )}
      {choosing.value && (
        <Chooser
          title={w.chooseTitle}
          folders={of?.takes !== "text"}
          choose={(path) => {
            asking.file.value = path;
          }}
          close={() => {
            choosing.value = false;
          }}
        />
      )}
    </div>
  );
}

function RowPick({ asking, label, most }: { asking: Asking; label: string; most?: number }) {
  return (
    <label class="field narrow">
      {label}
      <input
        type="number"
        min={1}
        max={most}
        value={asking.row.value}
        onInput={(event) => {
          const row = Math.max(1, Math.round(event.currentTarget.valueAsNumber || 1));
          asking.row.value = Math.min(row, most ?? row);
        }}
      />
    </label>
  );
}

/** The form of a room: what is in it stands between subject and button. */
export function Ask(props: {
  room: Room;
  asking: Asking;
  busy: boolean;
  verb: string;
  go: () => void;
  after?: ComponentChildren;
  children?: ComponentChildren;
}) {
  const w = words.value.ask;
  const { asking } = props;
  const subject = asking.of;
  const able = subject ? subject.can.includes(props.room) : false;
  const ready = able && asking.input !== null;
  if (subjectsWrong.value) return <section class="panel ask"><Trouble wrong={subjectsWrong.value} again={() => void findSubjects()} /></section>;
  if (subjects.value === null) return <section class="panel ask"><p class="missing" role="status">{w.finding}</p></section>;
  if (!subjects.value.length) {
    return (
      <section class="panel ask">
        <Empty title={w.noSubjects}>
          <p>{w.noSubjectsDo}</p>
          <p><code>regard train sentiment</code></p>
          <p><code>regard studio FOLDER</code></p>
        </Empty>
      </section>
    );
  }
  return (
    <form
      class="panel ask"
      aria-label={w.title}
      onSubmit={(event) => {
        event.preventDefault();
        if (ready && !props.busy) props.go();
      }}
    >
      <SubjectPick asking={asking} label={w.subject} room={props.room} />
      {subject && !able && (
        <p class="legend">
          {w.cannotHere} {subject.cannot?.[props.room] && <Told text={subject.cannot[props.room]} />}
        </p>
      )}
      {able && <InputPick asking={asking} name={`way-${props.room}`} />}
      {able && props.children}
      <button type="submit" class="primary" disabled={!ready || props.busy}>
        {props.busy ? w.busy : props.verb}
      </button>
      {able && !ready && <p class="legend">{asking.asksText ? w.needText : w.needFile}</p>}
      {props.after}
    </form>
  );
}
