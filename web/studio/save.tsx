// The foot of everything that is shown: the command line that gives the same, and ways to take it away.
import { useSignal } from "@preact/signals";
import { wrongOf } from "./api";
import { words } from "./language";
import { spoken } from "./rooms";
import { asHtml, asJson, asPng, saved } from "./saving";
import type { Wrong } from "./shapes";
import { Trouble } from "./trouble";

export function Save(props: {
  name: string;
  command?: string;
  /** A finished job of the server; without one the page itself writes what `of` holds. */
  job?: string;
  of?: { value: unknown; element: () => HTMLElement | null };
  canvas?: () => HTMLCanvasElement | null;
}) {
  const w = words.value.save;
  const wrong = useSignal<Wrong | null>(null);
  const act = async (work: () => unknown) => {
    wrong.value = null;
    try {
      await work();
      spoken.value = w.saved;
    } catch (error) {
      wrong.value = wrongOf(error);
    }
  };
  const html = () => {
    if (props.job) return saved(props.job, "html", props.name);
    const element = props.of?.element();
    if (element) asHtml(element, props.name);
  };
  const json = () => (props.job ? saved(props.job, "json", props.name) : asJson(props.of?.value, props.name));
  const png = () => {
    const canvas = props.canvas?.();
    if (canvas) return asPng(canvas, props.name);
  };
  return (
    <section class="save" aria-label={w.title}>
      {props.command && <Command line={props.command} />}
      <p class="buttons">
        <span class="quiet">{w.title}</span>
        <button type="button" onClick={() => void act(html)}>
          HTML
        </button>
        {props.canvas && (
          <button type="button" onClick={() => void act(png)}>
            PNG
          </button>
        )}
        <button type="button" onClick={() => void act(json)}>
          JSON
        </button>
      </p>
      {wrong.value && <Trouble wrong={wrong.value} />}
    </section>
  );
}

/** A command line with a button that copies it. */
function Command({ line }: { line: string }) {
  const w = words.value.save;
  const copied = useSignal(false);
  const copy = async (event: MouseEvent) => {
    const code = (event.currentTarget as HTMLElement).parentElement!.querySelector("code")!;
    try {
      await navigator.clipboard.writeText(line);
    } catch {
      getSelection()?.selectAllChildren(code); // where the clipboard is closed to pages: ready to be copied by hand
    }
    copied.value = true;
    spoken.value = w.copied;
    setTimeout(() => {
      copied.value = false;
    }, 2000);
  };
  return (
    <p class="command">
      <span class="quiet">{w.same}</span>
      <span class="line">
        <code>{line}</code>
        <button type="button" onClick={(event) => void copy(event)}>
          {copied.value ? w.copied : w.copy}
        </button>
      </span>
    </p>
  );
}
