// A picture as its grid of patches, shaded by mass received; without the picture, the grid alone.
import { useSignalEffect } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { colour, palette, ramp } from "./colours";
import { described } from "./describe";
import { shades } from "./mass";
import type { StreamText } from "./payload";
import { underlined } from "./reading";
import { here, read, spoken, unit } from "./state";
import { alone, plural } from "./words";

export function Patches({ number, text }: { number: number; text: StreamText }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const picture = useRef<HTMLImageElement | null>(null);
  const row = here.value.streams[number];
  const [rows, cols] = row.grid!;
  const image = here.value.image;
  const [shape, setShape] = useState(rows / cols);
  const paint = () => {
    if (canvas.current) draw(canvas.current, picture.current, number, rows, cols, row.special);
  };
  useSignalEffect(() => {
    palette.value;
    shades.value;
    unit.value;
    underlined.value;
    requestAnimationFrame(paint);
  });
  useEffect(() => {
    picture.current = null;
    if (image) {
      const loaded = new Image();
      loaded.onload = () => {
        picture.current = loaded;
        setShape(loaded.naturalHeight / loaded.naturalWidth);
        paint();
      };
      loaded.src = image;
    }
    const watcher = new ResizeObserver(paint);
    watcher.observe(canvas.current!);
    return () => watcher.disconnect();
  }, [image, number]);
  const go = (place: number) => {
    read(number, place);
    spoken.value = described(number, place);
  };
  const placeAt = (event: MouseEvent): number => {
    const box = event.currentTarget as HTMLCanvasElement;
    const y = Math.min(rows - 1, Math.max(0, Math.floor((event.offsetY / box.clientHeight) * rows)));
    const x = Math.min(cols - 1, Math.max(0, Math.floor((event.offsetX / box.clientWidth) * cols)));
    return row.special + y * cols + x;
  };
  const key = (event: KeyboardEvent) => {
    const at = unit.value?.stream === number ? unit.value.place : row.special;
    const last = row.special + rows * cols - 1;
    const moves: Record<string, number> = {
      ArrowRight: at + 1,
      ArrowLeft: at - 1,
      ArrowDown: at < row.special ? row.special : at + cols,
      ArrowUp: at - cols,
      Home: row.special,
      End: last,
    };
    if (event.key === "Enter") document.getElementById("reads")?.focus();
    const to = moves[event.key];
    if (to === undefined) return;
    event.preventDefault();
    if (to >= 0 && to <= last) go(to);
  };
  return (
    <div class="picture">
      {image && <p class="legend">On the picture: what is read keeps its colours, what is little read fades.</p>}
      {row.special > 0 && (
        <p class="specials">
          {Array.from({ length: row.special }, (_, place) => (
            <button
              type="button"
              key={place}
              class={`chip m${shades.value[number][place]} ${unit.value?.stream === number && unit.value.place === place ? "chosen" : ""}`}
              onClick={() => go(place)}
            >
              {alone(text.texts[place])}
            </button>
          ))}
        </p>
      )}
      <canvas
        ref={canvas}
        style={{ width: `min(100%, ${(36 / shape).toFixed(1)}vh)` }}
        tabIndex={0}
        role="application"
        aria-label={`${plural(rows * cols, "patch")} in ${rows} rows of ${cols}, shaded by mass received; arrow keys move, Enter goes to the top keys`}
        onKeyDown={key}
        onClick={(event) => go(placeAt(event))}
        onMouseMove={(event) => {
          spoken.value = described(number, placeAt(event));
        }}
      />
    </div>
  );
}

function draw(
  canvas: HTMLCanvasElement,
  picture: HTMLImageElement | null,
  number: number,
  rows: number,
  cols: number,
  special: number,
): void {
  const ratio = window.devicePixelRatio || 1;
  const shape = picture ? picture.naturalHeight / picture.naturalWidth : rows / cols;
  const wide = Math.round(canvas.clientWidth * ratio);
  if (!wide) return;
  const high = Math.round(wide * shape);
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
  }
  const pen = canvas.getContext("2d")!;
  pen.clearRect(0, 0, wide, high);
  if (picture) pen.drawImage(picture, 0, 0, wide, high);
  const levels = shades.value[number];
  const colours = ramp();
  const paper = (alpha: number) => colour("--panel").replace(")", ` / ${alpha.toFixed(3)})`);
  const [w, h] = [wide / cols, high / rows];
  const box = (place: number): [number, number, number, number] => {
    const [y, x] = [Math.floor((place - special) / cols), (place - special) % cols];
    return [Math.round(x * w), Math.round(y * h), Math.round((x + 1) * w) - Math.round(x * w), Math.round((y + 1) * h) - Math.round(y * h)];
  };
  for (let place = special; place < special + rows * cols; place++) {
    const share = levels[place] / 15;
    const [red, green, blue] = colours[Math.round(255 * share)];
    // on a picture what is little read fades, so that what is read keeps its own colours
    pen.fillStyle = picture ? paper(0.85 * (1 - share)) : `rgb(${red} ${green} ${blue})`;
    pen.fillRect(...box(place));
  }
  pen.strokeStyle = colour("--focus");
  for (const place of underlined.value.get(number) ?? []) {
    if (place < special) continue;
    pen.lineWidth = ratio;
    pen.strokeRect(...box(place));
  }
  const at = unit.value;
  if (at?.stream === number && at.place >= special) {
    pen.lineWidth = 3 * ratio;
    pen.strokeRect(...box(at.place));
  }
}
