// The panel of a head's map: drag to move, wheel or + and - to zoom, arrow keys to move the cursor, Enter to choose.
import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { palette, ramp, type Rgb } from "../src/colours";
import { alone, percent, whole } from "../src/words";
import { words } from "./language";
import { clamped, draw, type Shown, unitAt, weightAt, zoomed } from "./mapping";
import { spoken } from "./rooms";
import { label, type Row, type Seen } from "./seen";
import { came, leave } from "./tiles";
import { Told } from "./told";

const STEP = 0.125; // of the view, for an arrow key

export function TileMap({ seen, picture }: { seen: Seen; picture?: { current: HTMLCanvasElement | null } }) {
  const row = seen.chosen.value;
  const w = words.value.map;
  const shown = useSignal<Shown | null>(null);
  if (!row) return null;
  const view = seen.view.value;
  const range = (start: number, count: number) =>
    `${whole(unitAt(start, count))}–${whole(unitAt(start + view.side - 1e-9, count))}`;
  return (
    <section class="panel map" aria-label={w.title(label(row))}>
      <header>
        <h3>{w.title(label(row))}</h3>
        <span class="buttons">
          <button type="button" onClick={() => zoom(seen, row, 0.5)} aria-label={w.closer}>
            +
          </button>
          <button type="button" onClick={() => zoom(seen, row, 2)} aria-label={w.farther}>
            −
          </button>
          <button type="button" onClick={() => seen.whole()}>
            {w.whole}
          </button>
        </span>
      </header>
      <p class="legend">
        <bdi lang="en">{row.of.name}</bdi> · <Told text={row.of.mask} />
      </p>
      <Frame seen={seen} row={row} shown={shown} picture={picture} />
      <p class="legend scale">
        <span>0</span>
        <i class="gradient" aria-hidden="true" />
        <span>{shown.value ? percent(shown.value.most) : "…"}</span>
        <span class="grow">{w.scale}</span>
      </p>
      <p class="legend">{w.extent(range(view.y, row.of.query_count), range(view.x, row.of.key_count))}</p>
    </section>
  );
}

function zoom(seen: Seen, row: Row, by: number): void {
  seen.view.value = zoomed(seen.view.value, row, by);
}

function Frame(props: {
  seen: Seen;
  row: Row;
  shown: { value: Shown | null };
  picture?: { current: HTMLCanvasElement | null };
}) {
  const { seen, row } = props;
  const w = words.value.map;
  const canvas = useRef<HTMLCanvasElement>(null);
  const colours = useRef<{ at: number; ramp: Rgb[] }>({ at: -1, ramp: [] });
  const cursor = useSignal<{ x: number; y: number } | null>(null);
  const frame = useRef(0);
  const from = useRef<{ x: number; y: number; moved: boolean } | null>(null);
  const paint = () => {
    cancelAnimationFrame(frame.current);
    frame.current = requestAnimationFrame(() => {
      const at = seen.chosen.peek();
      if (!canvas.current || !at) return;
      if (colours.current.at !== palette.peek()) colours.current = { at: palette.peek(), ramp: ramp() };
      const made = draw(canvas.current, seen, at, colours.current.ramp);
      if (made && JSON.stringify(made) !== JSON.stringify(props.shown.value)) props.shown.value = made;
    });
  };
  useSignalEffect(() => {
    for (const each of [palette, seen.view, seen.unit, seen.chosen, seen.hiding, came]) each.value;
    paint();
  });
  useSignalEffect(() => {
    for (const each of [seen.view, seen.chosen]) each.value;
    leave();
  });
  useEffect(() => {
    if (props.picture) props.picture.current = canvas.current;
    const watcher = new ResizeObserver(paint);
    watcher.observe(canvas.current!);
    const wheel = (event: WheelEvent) => wheeled(event, seen);
    canvas.current!.addEventListener("wheel", wheel, { passive: false });
    return () => {
      watcher.disconnect();
      canvas.current?.removeEventListener("wheel", wheel);
    };
  }, []);
  const share = (event: PointerEvent | MouseEvent): [number, number] => {
    const view = seen.view.value;
    const side = canvas.current!.clientWidth;
    return [view.x + (event.offsetX / side) * view.side, view.y + (event.offsetY / side) * view.side];
  };
  const say = (x: number, y: number) => {
    spoken.value = told(seen, row, x, y, canvas.current!.width);
  };
  const moved = (event: PointerEvent) => {
    const start = from.current;
    if (!start) return say(...share(event));
    const side = canvas.current!.clientWidth;
    const view = seen.view.value;
    const [dx, dy] = [event.offsetX - start.x, event.offsetY - start.y];
    if (!start.moved && Math.hypot(dx, dy) < 4) return;
    from.current = { x: event.offsetX, y: event.offsetY, moved: true };
    seen.view.value = clamped({ ...view, x: view.x - (dx / side) * view.side, y: view.y - (dy / side) * view.side }, row);
  };
  const up = (event: PointerEvent) => {
    const start = from.current;
    from.current = null;
    if (!start || start.moved) return;
    const [, y] = share(event);
    say(...share(event));
    seen.unit.value = { side: row.of.queries, place: unitAt(y, row.of.query_count) };
  };
  const at = cursor.value;
  const view = seen.view.value;
  return (
    <div class="frame">
      <canvas
        ref={canvas}
        tabIndex={0}
        role="application"
        aria-label={w.help(label(row))}
        onFocus={() => {
          if (canvas.current!.matches(":focus-visible")) cursor.value ??= { x: 0.5, y: 0.5 };
        }}
        onBlur={() => {
          cursor.value = null;
        }}
        onKeyDown={(event) => {
          const next = pressed(event, seen, row, cursor.value ?? { x: 0.5, y: 0.5 });
          if (!next) return;
          cursor.value = next;
          const now = seen.view.value;
          say(now.x + next.x * now.side, now.y + next.y * now.side);
        }}
        onPointerDown={(event) => {
          from.current = { x: event.offsetX, y: event.offsetY, moved: false };
          canvas.current!.setPointerCapture(event.pointerId);
        }}
        onPointerMove={moved}
        onPointerUp={up}
        onPointerCancel={() => {
          from.current = null;
        }}
      />
      {at && <i class="cross" style={{ left: `${100 * at.x}%`, top: `${100 * at.y}%` }} aria-hidden="true" />}
      {view.side < 1 && (
        <i class="inset" aria-hidden="true">
          <i style={{ left: `${100 * view.x}%`, top: `${100 * view.y}%`, width: `${100 * view.side}%`, height: `${100 * view.side}%` }} />
        </i>
      )}
    </div>
  );
}

/** One place of the map in words. */
function told(seen: Seen, row: Row, x: number, y: number, pixels: number): string {
  const [query, key] = [unitAt(y, row.of.query_count), unitAt(x, row.of.key_count)];
  const [asks, read] = [seen.sides.value[row.of.queries], seen.sides.value[row.of.keys]];
  const weight = weightAt(seen, row, x, y, pixels);
  return words.value.map.cell(
    whole(query),
    alone(asks?.texts[query] ?? ""),
    whole(key),
    alone(read?.texts[key] ?? ""),
    weight === null ? "…" : percent(weight),
  );
}

/** With Ctrl or Shift, or once the map is zoomed, the wheel zooms; else it scrolls the page, as everywhere. */
function wheeled(event: WheelEvent, seen: Seen): void {
  const row = seen.chosen.peek();
  const view = seen.view.peek();
  if (!row || (!event.ctrlKey && !event.shiftKey && view.side === 1)) return;
  event.preventDefault();
  const canvas = event.currentTarget as HTMLCanvasElement;
  const [x, y] = [event.offsetX / canvas.clientWidth, event.offsetY / canvas.clientWidth];
  seen.view.value = zoomed(view, row, (event.deltaY || event.deltaX) < 0 ? 0.8 : 1.25, x, y);
}

/** What a key does; the cursor after it, as shares of the view. */
function pressed(event: KeyboardEvent, seen: Seen, row: Row, at: { x: number; y: number }): { x: number; y: number } | null {
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  const view = seen.view.value;
  const step = event.shiftKey ? STEP : Math.max(STEP / 16, 1 / (view.side * Math.max(row.of.query_count, row.of.key_count)));
  const go = (dx: number, dy: number) => {
    const next = { x: at.x + dx, y: at.y + dy };
    const off = (value: number) => (value < 0 ? value : value > 1 ? value - 1 : 0);
    seen.view.value = clamped({ ...view, x: view.x + off(next.x) * view.side, y: view.y + off(next.y) * view.side }, row);
    const inside = (value: number) => Math.min(0.9999, Math.max(0, value));
    return { x: inside(next.x), y: inside(next.y) };
  };
  const zoomTo = (by: number) => {
    seen.view.value = zoomed(view, row, by, at.x, at.y);
    return at;
  };
  const acts: Record<string, () => { x: number; y: number }> = {
    ArrowUp: () => go(0, -step),
    ArrowDown: () => go(0, step),
    ArrowLeft: () => go(-step, 0),
    ArrowRight: () => go(step, 0),
    "+": () => zoomTo(0.5),
    "=": () => zoomTo(0.5),
    "-": () => zoomTo(2),
    "0": () => {
      seen.whole();
      return at;
    },
    Enter: () => {
      seen.unit.value = { side: row.of.queries, place: unitAt(view.y + at.y * view.side, row.of.query_count) };
      return at;
    },
  };
  const act = acts[event.key];
  if (!act) return null;
  event.preventDefault();
  return act();
}
