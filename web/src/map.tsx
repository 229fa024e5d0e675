// The panel of a head's map: the exact weight that flows from bins of queries to bins of keys, at any zoom down to one
// bin, by mouse and by keyboard.
import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { palette } from "./colours";
import { draw } from "./draw";
import { cell, cursor, type Flow, flow, move, shown, used, view, width, zoom } from "./flow";
import { index } from "./payload";
import { chosen, here, hiding, label, read, rowOf, spoken, unit } from "./state";
import { percent, plural, whole } from "./words";

interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

export function HeadMap() {
  const head = chosen.value;
  const found = flow.value;
  if (!head) return null;
  const layer = index.layers[head.layer];
  return (
    <section class="panel map" aria-label="Map of the chosen head">
      <header>
        <h2>Map of {label(head)}</h2>
        {found && <Buttons found={found} />}
      </header>
      <p class="legend">
        {layer.name} · {layer.kind} · {layer.mask}
      </p>
      {found ? (
        <>
          <p class="legend">{extent(found)}</p>
          <Frame found={found} />
          <p class="legend">{finest(found)}</p>
        </>
      ) : (
        <p class="missing">{missing(head.layer)}</p>
      )}
    </section>
  );
}

function Buttons({ found }: { found: Flow }) {
  return (
    <span class="buttons">
      <button type="button" onClick={() => zoom(found, 0.5)} aria-label="Zoom in">
        +
      </button>
      <button type="button" onClick={() => zoom(found, 2)} aria-label="Zoom out">
        −
      </button>
      <button
        type="button"
        onClick={() => {
          view.value = null;
        }}
      >
        Whole
      </button>
    </span>
  );
}

/** The canvas; a drag marks the region to zoom into. */
function Frame({ found }: { found: Flow }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const from = useRef<{ x: number; y: number } | null>(null);
  const band = useSignal<Box | null>(null);
  const paint = () => {
    if (canvas.current && flow.value) draw(canvas.current, flow.value);
  };
  useSignalEffect(() => {
    for (const each of [palette, view, cursor, used, unit, flow]) each.value;
    requestAnimationFrame(paint);
  });
  useEffect(() => {
    const watcher = new ResizeObserver(paint);
    watcher.observe(canvas.current!);
    return () => watcher.disconnect();
  }, []);
  const down = (event: PointerEvent) => {
    from.current = { x: event.offsetX, y: event.offsetY };
    canvas.current!.setPointerCapture(event.pointerId);
  };
  const moved = (event: PointerEvent) => {
    const start = from.current;
    if (start) band.value = between(start, event);
    else spoken.value = cell(found, ...binAt(event, found));
  };
  const up = (event: PointerEvent) => {
    const box = band.value;
    from.current = null;
    band.value = null;
    if (box && box.width > 6 && box.height > 6) into(canvas.current!, box, found);
    else pointAt(event, found);
  };
  return (
    <div class="frame">
      <canvas
        ref={canvas}
        tabIndex={0}
        role="application"
        aria-label={`Map of ${label(chosen.value!)}: queries down, keys across. Arrow keys move, plus and minus zoom, 0 shows all, Enter chooses the query.`}
        onFocus={() => {
          used.value = true;
        }}
        onKeyDown={(event) => pressed(event, found)}
        onWheel={(event) => wheeled(event, found)}
        onPointerDown={down}
        onPointerMove={moved}
        onPointerUp={up}
      />
      {band.value && <div class="band" style={pixels(band.value)} aria-hidden="true" />}
    </div>
  );
}

const between = (start: { x: number; y: number }, event: PointerEvent): Box => ({
  left: Math.min(start.x, event.offsetX),
  top: Math.min(start.y, event.offsetY),
  width: Math.abs(event.offsetX - start.x),
  height: Math.abs(event.offsetY - start.y),
});

const pixels = (box: Box) => Object.fromEntries(Object.entries(box).map(([side, count]) => [side, `${count}px`]));

function missing(layer: number): string {
  if (!here.value.maps[layer]) {
    return "No map of this layer was kept. To get one: watch(model, bins=(64, 64)) over one whole pass, or regard.lens.maps.";
  }
  if (!here.value.heads[layer].length || (chosen.value && rowOf(chosen.value) < 0)) {
    return "This head's map is left out to keep the file small; the trace holds it.";
  }
  return "Reading …";
}

function extent(found: Flow): string {
  const now = shown(found);
  const rows = `${whole(found.rows[now.row])}–${whole(found.rows[now.row + now.rows] - 1)}`;
  const cols = `${whole(found.cols[now.col])}–${whole(found.cols[now.col + now.cols] - 1)}`;
  return `Queries ${rows} down, keys ${cols} across. Share of each query's weight, logarithmic, ${percent(found.floor)} to ${percent(found.most)}.`;
}

function finest(found: Flow): string {
  const now = shown(found);
  const [rows, cols] = [width(found.rows, now.row, now.rows), width(found.cols, now.col, now.cols)];
  const empty = found.empty ? " Grey: rows without an observed query." : "";
  const left = hiding.value && found.blank.size ? ` Hatched: ${plural(found.blank.size, "column")} with hidden sinks.` : "";
  if (rows === 1 && cols === 1) return `One cell is one query and one key: nothing finer.${empty}${left}`;
  return `One cell is ${whole(rows)} × ${whole(cols)} (queries × keys), summed exactly; zoom stops there. Finer: regard.lens.maps.region.${empty}${left}`;
}

function binAt(event: MouseEvent, found: Flow): [number, number] {
  const canvas = event.currentTarget as HTMLCanvasElement;
  const now = shown(found);
  const row = now.row + Math.floor((event.offsetY / canvas.clientHeight) * now.rows);
  const col = now.col + Math.floor((event.offsetX / canvas.clientWidth) * now.cols);
  return [
    Math.max(now.row, Math.min(now.row + now.rows - 1, row)),
    Math.max(now.col, Math.min(now.col + now.cols - 1, col)),
  ];
}

function pointAt(event: MouseEvent, found: Flow): void {
  const [row, col] = binAt(event, found);
  cursor.value = { row, col };
  spoken.value = cell(found, row, col);
}

/** With Ctrl or Shift the wheel zooms; alone it scrolls the page, as everywhere. */
function wheeled(event: WheelEvent, found: Flow): void {
  if (!event.ctrlKey && !event.shiftKey) return;
  event.preventDefault();
  pointAt(event, found);
  zoom(found, (event.deltaY || event.deltaX) < 0 ? 0.8 : 1.25);
}

function into(
  canvas: HTMLCanvasElement,
  box: Box,
  found: Flow,
): void {
  const now = shown(found);
  const row = now.row + Math.floor((box.top / canvas.clientHeight) * now.rows);
  const col = now.col + Math.floor((box.left / canvas.clientWidth) * now.cols);
  view.value = {
    row,
    col,
    rows: Math.max(1, Math.round((box.height / canvas.clientHeight) * now.rows)),
    cols: Math.max(1, Math.round((box.width / canvas.clientWidth) * now.cols)),
  };
  cursor.value = { row, col };
}

function pressed(event: KeyboardEvent, found: Flow): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const now = shown(found);
  const leap = event.shiftKey ? Math.max(1, Math.round(now.rows / 8)) : 1;
  const acts: Record<string, () => void> = {
    ArrowUp: () => move(found, -leap, 0),
    ArrowDown: () => move(found, leap, 0),
    ArrowLeft: () => move(found, 0, -leap),
    ArrowRight: () => move(found, 0, leap),
    "+": () => zoom(found, 0.5),
    "=": () => zoom(found, 0.5),
    "-": () => zoom(found, 2),
    "0": () => {
      view.value = null;
    },
    Enter: () => read(here.value.queries[chosen.value!.layer], found.rows[cursor.value.row]),
  };
  const act = acts[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}
