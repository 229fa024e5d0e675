// Every head of a model as a cell: layers down, heads across; as dark as the chosen figure is large.
import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { colour, palette, ramp } from "../src/colours";
import { percent, short } from "../src/words";
import { words } from "./language";
import { spoken } from "./rooms";
import type { SpentHead } from "./spend-shapes";

export type Figure = "breadth" | "distance" | "read";
const GUTTER = 34; // pixels for the names of layers and heads

export function Grid(props: { heads: SpentHead[]; figure: Figure; canvas: { current: HTMLCanvasElement | null } }) {
  const w = words.value.spend;
  const own = useRef<HTMLCanvasElement>(null);
  const cursor = useSignal<{ row: number; col: number } | null>(null);
  const layers = [...new Set(props.heads.map((head) => head.layer))];
  const across = Math.max(...props.heads.map((head) => head.head)) + 1;
  const cells = new Map(props.heads.map((head) => [`${layers.indexOf(head.layer)}.${head.head}`, head]));
  const value = (head: SpentHead) => head[props.figure];
  const known = props.heads.map(value).filter((each): each is number => each !== null);
  const [least, most] = [Math.min(...known), Math.max(...known)];
  const said = (each: number) => (props.figure === "read" ? percent(each) : short(each));
  const paint = () => {
    props.canvas.current = own.current;
    if (own.current) draw(own.current, layers.length, across, (row, col) => shade(row, col), cursor.peek());
  };
  const shade = (row: number, col: number): number | null => {
    const head = cells.get(`${row}.${col}`);
    const found = head ? value(head) : null;
    if (found === null || found === undefined) return null;
    const lay = props.figure === "read" ? (each: number) => each : Math.log1p;
    return lay(most) > lay(least) ? (lay(found) - lay(least)) / (lay(most) - lay(least)) : 0.5;
  };
  useSignalEffect(() => {
    palette.value;
    cursor.value;
    requestAnimationFrame(paint);
  });
  useEffect(paint);
  useEffect(() => {
    const watcher = new ResizeObserver(paint);
    watcher.observe(own.current!);
    return () => watcher.disconnect();
  }, []);
  const say = (row: number, col: number) => {
    const head = cells.get(`${row}.${col}`);
    if (!head) return;
    const read = head.read === null ? "" : `, ${w.read} ${percent(head.read)}`;
    const told = (each: number | null) => (each === null ? "–" : short(each));
    spoken.value = `L${row} H${head.head}: ${w.breadth} ${told(head.breadth)}, ${w.depth} ${told(head.distance)}${read}`;
  };
  const cellAt = (event: MouseEvent): [number, number] => {
    const box = event.currentTarget as HTMLCanvasElement;
    const row = Math.floor(((event.offsetY - GUTTER / 2) / (box.clientHeight - GUTTER / 2)) * layers.length);
    const col = Math.floor(((event.offsetX - GUTTER) / (box.clientWidth - GUTTER)) * across);
    return [Math.max(0, Math.min(layers.length - 1, row)), Math.max(0, Math.min(across - 1, col))];
  };
  const key = (event: KeyboardEvent) => {
    const now = cursor.value ?? { row: 0, col: 0 };
    const moves: Record<string, [number, number]> = {
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
    };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    const row = Math.max(0, Math.min(layers.length - 1, now.row + move[0]));
    const col = Math.max(0, Math.min(across - 1, now.col + move[1]));
    cursor.value = { row, col };
    say(row, col);
  };
  return (
    <div class="heads-grid">
      <canvas
        ref={own}
        style={{ maxWidth: `${GUTTER + 76 * across}px`, height: `${Math.min(640, GUTTER / 2 + layers.length * Math.max(12, Math.min(40, 300 / layers.length)))}px` }}
        tabIndex={0}
        role="application"
        aria-label={w.gridHelp(layers.length, across)}
        onKeyDown={key}
        onFocus={() => {
          if (own.current!.matches(":focus-visible")) cursor.value ??= { row: 0, col: 0 };
        }}
        onBlur={() => {
          cursor.value = null;
        }}
        onMouseMove={(event) => say(...cellAt(event))}
        onClick={(event) => say(...cellAt(event))}
      />
      <p class="legend scale">
        <span>{said(least)}</span>
        <i class="gradient" aria-hidden="true" />
        <span>{said(most)}</span>
        <span class="grow">{w.units[props.figure]}</span>
      </p>
    </div>
  );
}

function draw(
  canvas: HTMLCanvasElement,
  rows: number,
  cols: number,
  shade: (row: number, col: number) => number | null,
  cursor: { row: number; col: number } | null,
): void {
  const ratio = window.devicePixelRatio || 1;
  const [wide, high] = [canvas.clientWidth, canvas.clientHeight];
  if (!wide || !high) return;
  canvas.width = Math.round(wide * ratio);
  canvas.height = Math.round(high * ratio);
  const pen = canvas.getContext("2d")!;
  pen.scale(ratio, ratio);
  pen.fillStyle = colour("--panel");
  pen.fillRect(0, 0, wide, high);
  const colours = ramp();
  const [top, left] = [GUTTER / 2, GUTTER];
  const [w, h] = [(wide - left) / cols, (high - top) / rows];
  pen.font = "11px system-ui, sans-serif";
  pen.textBaseline = "middle";
  const names = (count: number, room: number) => Math.max(1, Math.ceil(room / count));
  for (let row = 0; row < rows; row++) {
    if (row % names(h, 14) === 0) {
      pen.fillStyle = colour("--quiet");
      pen.textAlign = "right";
      pen.fillText(`L${row}`, left - 6, top + (row + 0.5) * h);
    }
    for (let col = 0; col < cols; col++) {
      if (!row && col % names(w, 26) === 0) {
        pen.fillStyle = colour("--quiet");
        pen.textAlign = "center";
        pen.fillText(`H${col}`, left + (col + 0.5) * w, top / 2);
      }
      const share = shade(row, col);
      if (share === null) continue;
      const [red, green, blue] = colours[Math.round(255 * (0.08 + 0.84 * share))];
      pen.fillStyle = `rgb(${red} ${green} ${blue})`;
      pen.fillRect(left + col * w, top + row * h, w - 1, h - 1);
    }
  }
  if (!cursor) return;
  pen.strokeStyle = colour("--focus");
  pen.lineWidth = 2;
  pen.strokeRect(left + cursor.col * w, top + cursor.row * h, w - 1, h - 1);
}
