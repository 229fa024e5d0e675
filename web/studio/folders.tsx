// Choosing a file or a folder out of those the studio was started with.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Roll } from "../src/roll";
import { get, wrongOf } from "./api";
import { words } from "./language";
import type { Entry, Folder, Wrong } from "./shapes";
import { sized } from "./sizes";
import { Trouble } from "./trouble";

const ROW = 34; // pixels, as .files li in style.css

const opens = (entry: Entry): boolean => ["folder", "run", "model"].includes(entry.kind);

/** Where the last choice was made, so that the next begins there. */
let last: string | null = null;

export function Chooser(props: { title: string; folders?: boolean; choose: (path: string) => void; close: () => void }) {
  const w = words.value.files;
  const dialog = useRef<HTMLDialogElement>(null);
  const folder = useSignal<Folder | null>(null);
  const wrong = useSignal<Wrong | null>(null);
  const at = useSignal(-1);
  const part = useSignal("");
  const go = async (path: string | null) => {
    wrong.value = null;
    try {
      folder.value = await get<Folder>("/api/folder", path === null ? {} : { path });
      last = path;
      at.value = -1;
      part.value = "";
      dialog.current?.querySelector<HTMLElement>("[role=listbox]")?.focus();
    } catch (error) {
      wrong.value = wrongOf(error);
      if (path !== null && !folder.value) void go(null);
    }
  };
  useEffect(() => {
    dialog.current!.showModal();
    void go(last);
  }, []);
  const rows = (folder.value?.entries ?? [])
    .filter((each) => each.name.toLowerCase().includes(part.value.toLowerCase()))
    .sort((a, b) => Number(opens(b)) - Number(opens(a)));
  const take = (entry: Entry) => {
    props.choose(entry.path);
    dialog.current!.close();
  };
  const open = (place: number) => {
    const entry = rows[place];
    if (opens(entry)) void go(entry.path);
    else take(entry);
  };
  const here = folder.value?.path;
  return (
    <dialog ref={dialog} class="chooser" aria-label={props.title} onClose={props.close}>
      <header>
        <h2>{props.title}</h2>
        <button type="button" onClick={() => dialog.current!.close()}>
          {w.close}
        </button>
      </header>
      <p class="path">
        <button type="button" disabled={!folder.value || here === null} onClick={() => void go(folder.value!.parent)}>
          {w.up}
        </button>
        <code>{here ?? w.top}</code>
      </p>
      <label class="field">
        {w.filter}
        <input
          type="search"
          value={part.value}
          onInput={(event) => {
            part.value = event.currentTarget.value;
            at.value = -1;
          }}
          onKeyDown={(event) => {
            if (event.key !== "Enter") return;
            event.preventDefault(); // or the form around would be sent
            if (rows.length) open(0);
          }}
        />
      </label>
      {wrong.value && <Trouble wrong={wrong.value} />}
      {folder.value && !rows.length && <p class="missing">{part.value ? w.none : w.nothing}</p>}
      <div class="files">
        <Roll
          rows={rows}
          at={at.value}
          mark={at.value}
          go={(place) => {
            at.value = place;
          }}
          open={open}
          label={w.list}
          prefix="file"
          height={ROW}
          title={(row) => row.path}
        >
          {(row) => (
            <>
              <span class={`kind ${row.kind}`}>{w.kinds[row.kind]}</span>
              <b>{row.name}</b>
              <span class="quiet">{row.bytes === null ? "" : sized(row.bytes)}</span>
            </>
          )}
        </Roll>
      </div>
      {!!folder.value?.left_out && <p class="legend">{w.more(folder.value.left_out)}</p>}
      {props.folders && here && (
        <button
          type="button"
          class="primary"
          onClick={() => {
            props.choose(here);
            dialog.current!.close();
          }}
        >
          {w.this}
        </button>
      )}
    </dialog>
  );
}
