// The units of an input, shaded: a text as a text, a picture as its patches, moments of a sound or series as a curve.
import { useSignalEffect } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { palette } from "../src/colours";
import { drawPatches } from "../src/patching";
import type { StreamText } from "../src/payload";
import { Typeset } from "../src/typeset";
import { alone, whole } from "../src/words";
import { words } from "./language";
import { drawMoments } from "./moments";
import type { Units } from "./shapes";

export interface Shading {
  units: Units;
  /** By unit, from 15 (most) to 0, and down to -15 for what speaks against. */
  levels: ArrayLike<number>;
  hidden?: Set<number>;
  marked?: number[];
  chosen: number;
  choose: (place: number) => void;
  /** One unit in words. */
  say: (place: number) => void;
  label: string;
  picture?: string | null;
}

const MOMENTS = new Set(["frame", "moment", "step", "patch of time", "window"]);
let made = 0;

export function UnitsView(props: Shading) {
  if (props.units.grid) return <Patches {...props} />;
  if (MOMENTS.has(props.units.kind) && props.units.count > 1) return <Moments {...props} />;
  return <Text {...props} />;
}

/** A unit's own text: out of the source where it is known, since tokens carry signs of their own. */
export function textsOf(units: Units): string[] {
  const { spans, source } = units;
  if (!spans || source === null) return units.texts;
  return units.texts.map((text, i) => (spans[i][1] > spans[i][0] ? source.slice(...spans[i]) : text));
}

/** As the text of a report: what stands between two units is theirs, too. */
function streamed(units: Units): StreamText {
  const { spans, source } = units;
  const gaps: Record<string, string> = {};
  const special: number[] = [];
  let end = 0;
  units.texts.forEach((text, i) => {
    if (!spans || source === null) {
      if (i) gaps[i] = " ";
      if (/^(<[^<>]+>|\[[^[\]]+\])$/.test(text)) special.push(i);
      return;
    }
    const [since, until] = spans[i];
    if (until <= since) special.push(i);
    else if (since > end) gaps[i] = source.slice(end, since);
    end = Math.max(end, until);
  });
  return { texts: textsOf(units), gaps, special, padding: [], unread: 0 };
}

function Text(props: Shading) {
  const host = useRef<HTMLDivElement>(null);
  const set = useRef<Typeset | null>(null);
  const prefix = useMemo(() => `u${made++}.`, []);
  const text = useMemo(() => streamed(props.units), [props.units]);
  useEffect(() => {
    set.current = new Typeset(host.current!, text, prefix);
    return () => set.current?.close();
  }, [text]);
  useEffect(() => set.current?.paint(props.levels, props.hidden ?? new Set()), [text, props.levels, props.hidden]);
  useEffect(() => set.current?.mark(props.marked ?? []), [text, props.marked]);
  useEffect(() => {
    const element = set.current?.select(props.chosen, true);
    if (element) host.current?.setAttribute("aria-activedescendant", element.id);
    else host.current?.removeAttribute("aria-activedescendant");
  }, [text, props.chosen]);
  const placeAt = (event: Event): number => {
    const id = (event.target as HTMLElement).id;
    return id.startsWith(prefix) ? Number(id.slice(prefix.length)) : -1;
  };
  const key = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [type, at] = [set.current!, props.chosen];
    const moves: Record<string, () => number> = {
      ArrowRight: () => type.step(at, 1),
      ArrowLeft: () => (at < 0 ? type.step(-1, 1) : type.step(at, -1)),
      ArrowDown: () => (at < 0 ? type.step(-1, 1) : type.line(at, 1)),
      ArrowUp: () => (at < 0 ? type.step(-1, 1) : type.line(at, -1)),
      PageDown: () => type.step(at, 100),
      PageUp: () => (at < 0 ? type.step(-1, 1) : type.step(at, -100)),
      Home: () => type.step(-1, 1),
      End: () => type.step(text.texts.length, -1),
    };
    if (!moves[event.key]) return;
    event.preventDefault();
    const next = moves[event.key]();
    props.choose(next);
    props.say(next);
  };
  return (
    <div
      class="text"
      ref={host}
      role="listbox"
      tabIndex={0}
      dir="auto"
      aria-label={props.label}
      onKeyDown={key}
      onClick={(event) => {
        const place = placeAt(event);
        if (place >= 0) props.choose(place);
      }}
      onMouseOver={(event) => {
        const place = placeAt(event);
        if (place >= 0) props.say(place);
      }}
    />
  );
}

/** What pictures and curves share: a canvas that is drawn anew when anything of it changes, and keys that move in it. */
function useCanvas(paint: (canvas: HTMLCanvasElement) => void, changes: unknown[]) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const latest = useRef(paint);
  latest.current = paint;
  const draw = () => {
    if (canvas.current) latest.current(canvas.current);
  };
  useSignalEffect(() => {
    palette.value;
    requestAnimationFrame(draw);
  });
  useEffect(() => {
    draw();
  }, changes);
  useEffect(() => {
    const watcher = new ResizeObserver(draw);
    watcher.observe(canvas.current!);
    return () => watcher.disconnect();
  }, []);
  return { canvas, draw };
}

function moved(event: KeyboardEvent, at: number, steps: Record<string, number>, first: number, last: number): number | null {
  const to =
    event.key === "Home" ? first : event.key === "End" ? last : event.key in steps ? (at < first ? first : at + steps[event.key]) : null;
  if (to === null) return null;
  event.preventDefault();
  return Math.max(first, Math.min(last, to));
}

function Patches(props: Shading) {
  const { units } = props;
  const [rows, cols] = units.grid!;
  const picture = useRef<HTMLImageElement | null>(null);
  const paint = (canvas: HTMLCanvasElement) =>
    drawPatches(canvas, {
      picture: picture.current,
      rows,
      cols,
      special: units.special,
      levels: props.levels,
      marked: props.marked ?? [],
      chosen: props.chosen,
    });
  const { canvas, draw } = useCanvas(paint, [props.levels, props.marked, props.chosen, units]);
  useEffect(() => {
    picture.current = null;
    if (!props.picture) return draw();
    const loaded = new Image();
    loaded.onload = () => {
      picture.current = loaded;
      draw();
    };
    loaded.src = props.picture;
  }, [props.picture]);
  const [first, last] = [units.special, units.special + rows * cols - 1];
  const placeAt = (event: MouseEvent): number => {
    const box = event.currentTarget as HTMLCanvasElement;
    const y = Math.min(rows - 1, Math.max(0, Math.floor((event.offsetY / box.clientHeight) * rows)));
    const x = Math.min(cols - 1, Math.max(0, Math.floor((event.offsetX / box.clientWidth) * cols)));
    return first + y * cols + x;
  };
  return (
    <div class="picture">
      {units.special > 0 && (
        <p class="specials">
          {units.texts.slice(0, units.special).map((text, place) => (
            <button
              type="button"
              key={place}
              class={`chip m${Math.max(0, props.levels[place])} ${props.chosen === place ? "chosen" : ""}`}
              onClick={() => props.choose(place)}
            >
              {alone(text)}
            </button>
          ))}
        </p>
      )}
      <canvas
        ref={canvas}
        tabIndex={0}
        role="application"
        aria-label={`${props.label}; ${words.value.units.patches(rows, cols)}`}
        onKeyDown={(event) => {
          const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: cols, ArrowUp: -cols };
          const next = moved(event, props.chosen, steps, first, last);
          if (next !== null) {
            props.choose(next);
            props.say(next);
          }
        }}
        onClick={(event) => props.choose(placeAt(event))}
        onMouseMove={(event) => props.say(placeAt(event))}
      />
    </div>
  );
}

function Moments(props: Shading) {
  const { units } = props;
  const paint = (canvas: HTMLCanvasElement) =>
    drawMoments(canvas, units, props.levels, new Set(props.marked ?? []), props.hidden ?? new Set(), props.chosen);
  const { canvas } = useCanvas(paint, [props.levels, props.marked, props.hidden, props.chosen, units]);
  const placeAt = (event: MouseEvent): number => {
    const box = event.currentTarget as HTMLCanvasElement;
    return Math.max(0, Math.min(units.count - 1, Math.floor((event.offsetX / box.clientWidth) * units.count)));
  };
  return (
    <div class="moments">
      <canvas
        ref={canvas}
        tabIndex={0}
        role="application"
        aria-label={`${props.label}; ${words.value.units.moments(whole(units.count))}`}
        onKeyDown={(event) => {
          const steps = { ArrowRight: 1, ArrowLeft: -1, PageDown: 10, PageUp: -10 };
          const next = moved(event, props.chosen, steps, 0, units.count - 1);
          if (next !== null) {
            props.choose(next);
            props.say(next);
          }
        }}
        onClick={(event) => props.choose(placeAt(event))}
        onMouseMove={(event) => props.say(placeAt(event))}
      />
    </div>
  );
}
