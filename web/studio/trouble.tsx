// What is shown when something went wrong, when nothing is there yet, and while work is under way.
import type { ComponentChildren } from "preact";
import { words } from "./language";
import type { Wrong } from "./shapes";
import type { Work } from "./work";
import { percent } from "../src/words";
import { Told } from "./told";

export function Trouble({ wrong, again }: { wrong: Wrong; again?: () => void }) {
  const w = words.value.trouble;
  const lost = wrong.what === "unreachable";
  return (
    <div class="trouble" role="alert">
      <p>
        <b>{lost ? w.unreachable : <Told text={wrong.what} />}</b>
        {!lost && wrong.where && <code>{wrong.where}</code>}
      </p>
      {(lost || wrong.do) && <p>{lost ? w.start : <Told text={wrong.do} />}</p>}
      {again && (
        <button type="button" onClick={again}>
          {w.again}
        </button>
      )}
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="lead">{title}</p>
      {children}
    </div>
  );
}

/** The bar of long work, with what it does now and a way to stop it. */
export function Progress<T>({ work, stop }: { work: Work<T>; stop?: string }) {
  const w = words.value.trouble;
  const state = work.state.value;
  const share = work.fraction.value;
  if (work.busy) {
    return (
      <div class="progress">
        <progress max={1} value={share ?? undefined} aria-label={w.working} />
        <p role="status">
          <span>{state === "waiting" ? w.waiting : work.line.value ? <Told text={work.line.value} /> : w.working}</span>
          {share !== null && state === "running" && <b>{percent(share)}</b>}
        </p>
        <button type="button" disabled={!work.job.value} onClick={() => void work.cancel()}>
          {stop ?? w.cancel}
        </button>
      </div>
    );
  }
  if (state === "cancelled") return <p class="legend" role="status">{w.cancelled}</p>;
  if (work.wrong.value) return <Trouble wrong={work.wrong.value} />;
  return null;
}
