// A picture as its grid of patches, shaded by mass received; without the picture, the grid alone.
import { useSignalEffect } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { palette } from "./colours";
import { described } from "./describe";
import { shades } from "./mass";
import type { StreamText } from "./payload";
import { underlined } from "./reading";
import { drawPatches } from "./patching";
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
    if (!canvas.current) return;
    const at = unit.value;
    drawPatches(canvas.current, {
      picture: picture.current,
      rows,
      cols,
      special: row.special,
      levels: shades.value[number],
      marked: underlined.value.get(number) ?? [],
      chosen: at?.stream === number ? at.place : -1,
    });
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
