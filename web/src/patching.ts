// A picture's patches on a canvas, shaded; what is read keeps the picture's own colours.
import { colour, ramp } from "./colours";

export interface Patched {
  picture: CanvasImageSource | null;
  rows: number;
  cols: number;
  /** Leading units that are no patch. */
  special: number;
  /** By unit, from 0 to 15; below 0 what speaks against an answer. */
  levels: ArrayLike<number>;
  marked: Iterable<number>;
  chosen: number;
}

/** Height by width of what is drawn. */
export function shapeOf({ picture, rows, cols }: Pick<Patched, "picture" | "rows" | "cols">): number {
  if (picture instanceof HTMLImageElement) return picture.naturalHeight / picture.naturalWidth;
  return rows / cols;
}

export function drawPatches(canvas: HTMLCanvasElement, found: Patched): void {
  const { picture, rows, cols, special, levels } = found;
  const ratio = window.devicePixelRatio || 1;
  const wide = Math.round(canvas.clientWidth * ratio);
  if (!wide) return;
  const high = Math.round(wide * shapeOf(found));
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
  }
  const pen = canvas.getContext("2d")!;
  pen.clearRect(0, 0, wide, high);
  if (picture) pen.drawImage(picture, 0, 0, wide, high);
  const colours = ramp();
  const faded = (name: string, alpha: number) => colour(name).replace(")", ` / ${alpha.toFixed(3)})`);
  const [w, h] = [wide / cols, high / rows];
  const box = (place: number): [number, number, number, number] => {
    const [y, x] = [Math.floor((place - special) / cols), (place - special) % cols];
    return [Math.round(x * w), Math.round(y * h), Math.round((x + 1) * w) - Math.round(x * w), Math.round((y + 1) * h) - Math.round(y * h)];
  };
  for (let place = special; place < special + rows * cols; place++) {
    const share = levels[place] / 15;
    if (share < 0) {
      pen.fillStyle = faded("--against", 0.85 * -share);
    } else {
      const [red, green, blue] = colours[Math.round(255 * share)];
      // on a picture what is little read fades, so that what is read keeps its own colours
      pen.fillStyle = picture ? faded("--panel", 0.85 * (1 - share)) : `rgb(${red} ${green} ${blue})`;
    }
    pen.fillRect(...box(place));
  }
  pen.strokeStyle = colour("--focus");
  for (const place of found.marked) {
    if (place < special) continue;
    pen.lineWidth = ratio;
    pen.strokeRect(...box(place));
  }
  if (found.chosen >= special) {
    pen.lineWidth = 3 * ratio;
    pen.strokeRect(...box(found.chosen));
  }
}
