// A mask, drawn as it is composed: which queries may attend to which keys.
import { effect, signal, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { colour, palette } from "../src/colours";
import { percent, whole } from "../src/words";
import { Answered } from "./answered";
import { words } from "./language";
import type { Masked } from "./learn-shapes";
import { opened, spoken } from "./rooms";
import { Save } from "./save";
import { Trouble } from "./trouble";

const PARTS = ["Causal()", "Window(3, 0)", "Window(2, 2)", "Sinks(2)", "Prefix(6)", "Dilated(2, 8)"];
const LINKS = [" & ", " | ", "~"];
const PAUSE = 250; // milliseconds after the last key

const expression = signal("Causal() & (Window(3, 0) | Sinks(2))");
const queries = signal(24);
const keys = signal(24);
const masked = new Answered<Masked>("/api/learn/mask");

let timer = 0;
effect(() => {
  const body = { expression: expression.value, queries: queries.value, keys: keys.value };
  if (!opened.value.has("learn")) return;
  clearTimeout(timer);
  if (body.expression.trim()) timer = setTimeout(() => void masked.ask(body), PAUSE);
});

const count = (value: number) => Math.max(1, Math.min(256, Math.round(value || 1)));

export function Masks() {
  const w = words.value.learn;
  const found = masked.value.value;
  const body = useRef<HTMLElement>(null);
  const field = useRef<HTMLInputElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const insert = (part: string) => {
    const input = field.current!;
    const [since, until] = [input.selectionStart ?? expression.value.length, input.selectionEnd ?? expression.value.length];
    const before = expression.value.slice(0, since);
    // a part that follows a part is joined to it
    const link = /[)\]]\s*$/.test(before) && part.endsWith(")") ? " & " : "";
    expression.value = before + link + part + expression.value.slice(until);
    const at = since + link.length + part.length;
    requestAnimationFrame(() => {
      input.focus();
      input.setSelectionRange(at, at);
    });
  };
  const number = (name: string, of: typeof queries) => (
    <label class="field narrow">
      {name}
      <input
        type="number"
        min={1}
        max={256}
        value={of.value}
        onInput={(event) => {
          of.value = count(event.currentTarget.valueAsNumber);
        }}
      />
    </label>
  );
  return (
    <section class="panel lesson" aria-label={w.masks} ref={body}>
      <header>
        <h2>{w.masks}</h2>
      </header>
      <p class="legend">{w.masksAbout}</p>
      <div class="row">
        <label class="field grow">
          {w.expression}
          <input
            ref={field}
            type="text"
            class="code"
            spellcheck={false}
            value={expression.value}
            onInput={(event) => {
              expression.value = event.currentTarget.value;
            }}
          />
        </label>
        {number(w.queries, queries)}
        {number(w.keys, keys)}
      </div>
      <p class="buttons parts" role="group" aria-label={w.parts}>
        {PARTS.map((part) => (
          <button type="button" key={part} onClick={() => insert(part)}>
            <code>{part}</code>
          </button>
        ))}
        {LINKS.map((link) => (
          <button type="button" key={link} onClick={() => insert(link)} aria-label={w.links[link.trim()]}>
            <code>{link.trim()}</code>
          </button>
        ))}
        <button type="button" onClick={() => { expression.value = ""; field.current?.focus(); }}>
          {w.clear}
        </button>
      </p>
      {masked.wrong.value && <Trouble wrong={masked.wrong.value} />}
      {found && (
        <div class={`drawn ${masked.wrong.value ? "stale" : ""}`}>
          <Drawing of={found} canvas={canvas} />
          <div>
            <p lang="en">
              <code>{found.words}</code>
            </p>
            <p role="status">
              {w.allowed(whole(found.allowed), whole(found.of), percent(found.allowed / found.of))}
              {found.empty > 0 && ` ${w.emptyRows(found.empty)}`}
            </p>
            <p class="legend sides">
              <i class="may" aria-hidden="true" /> {w.may} <i class="mayNot" aria-hidden="true" /> {w.mayNot}
            </p>
            <Save name="regard-mask" command={found.command} of={{ value: found, element: () => body.current }} canvas={() => canvas.current} />
          </div>
        </div>
      )}
    </section>
  );
}

function Drawing({ of, canvas }: { of: Masked; canvas: { current: HTMLCanvasElement | null } }) {
  const w = words.value.learn;
  const own = useRef<HTMLCanvasElement>(null);
  const at = useSignal<{ row: number; col: number } | null>(null);
  const [rows, cols] = [of.rows.length, of.rows[0]?.length ?? 1];
  const paint = () => {
    canvas.current = own.current;
    if (own.current) draw(own.current, of.rows, at.peek());
  };
  useSignalEffect(() => {
    palette.value;
    at.value;
    requestAnimationFrame(paint);
  });
  useEffect(paint);
  useEffect(() => {
    const watcher = new ResizeObserver(paint);
    watcher.observe(own.current!);
    return () => watcher.disconnect();
  }, []);
  const say = (row: number, col: number) => {
    spoken.value = w.cell(row, col, of.rows[row]?.[col] === "1");
  };
  const key = (event: KeyboardEvent) => {
    const now = at.value ?? { row: 0, col: 0 };
    const moves: Record<string, [number, number]> = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    const next = { row: Math.max(0, Math.min(rows - 1, now.row + move[0])), col: Math.max(0, Math.min(cols - 1, now.col + move[1])) };
    at.value = next;
    say(next.row, next.col);
  };
  const cellAt = (event: MouseEvent): [number, number] => {
    const box = event.currentTarget as HTMLCanvasElement;
    const row = Math.floor((event.offsetY / box.clientHeight) * rows);
    const col = Math.floor((event.offsetX / box.clientWidth) * cols);
    return [Math.max(0, Math.min(rows - 1, row)), Math.max(0, Math.min(cols - 1, col))];
  };
  return (
    <canvas
      ref={own}
      class="mask"
      style={{ aspectRatio: `${cols} / ${rows}` }}
      tabIndex={0}
      role="application"
      aria-label={w.maskHelp(rows, cols, percent(of.allowed / of.of))}
      onKeyDown={key}
      onFocus={() => {
        if (own.current!.matches(":focus-visible")) at.value ??= { row: 0, col: 0 };
      }}
      onBlur={() => {
        at.value = null;
      }}
      onMouseMove={(event) => say(...cellAt(event))}
    />
  );
}

function draw(canvas: HTMLCanvasElement, rows: string[], at: { row: number; col: number } | null): void {
  const ratio = window.devicePixelRatio || 1;
  const [wide, high] = [canvas.clientWidth, canvas.clientHeight];
  const [count, cols] = [rows.length, rows[0]?.length ?? 1];
  if (!wide || !high) return;
  canvas.width = Math.round(wide * ratio);
  canvas.height = Math.round(high * ratio);
  const pen = canvas.getContext("2d")!;
  const [w, h] = [canvas.width / cols, canvas.height / count];
  const gap = Math.min(w, h) > 8 * ratio ? ratio : 0;
  const [may, not] = [colour("--map3"), colour("--line")];
  pen.fillStyle = colour("--panel");
  pen.fillRect(0, 0, canvas.width, canvas.height);
  rows.forEach((row, r) => {
    for (let c = 0; c < cols; c++) {
      pen.fillStyle = row[c] === "1" ? may : not;
      const [x, y] = [Math.round(c * w), Math.round(r * h)];
      pen.fillRect(x, y, Math.round((c + 1) * w) - x - gap, Math.round((r + 1) * h) - y - gap);
    }
  });
  if (!at) return;
  pen.strokeStyle = colour("--focus");
  pen.lineWidth = 2 * ratio;
  pen.strokeRect(at.col * w, at.row * h, w, h);
}
