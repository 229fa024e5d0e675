// A head's map on its canvas, out of tiles: which are in sight, how they are coloured, what lies under the pointer.
import { colour, named, ramp, type Rgb } from "../src/colours";
import type { Row, Seen, View } from "./seen";
import { SIDE, type Tile, tile } from "./tiles";

/** The zoom whose pixels are at least as fine as the canvas's. */
export function zoomFor(view: View, pixels: number, deepest: number): number {
  return Math.max(0, Math.min(deepest, Math.ceil(Math.log2(pixels / (SIDE * view.side)) - 0.25)));
}

/** The largest zoom's share of the map that one canvas may show: a few units. */
export const closest = (row: Row): number =>
  Math.min(1, Math.max(4 / Math.max(row.of.query_count, row.of.key_count), 1e-5));

export function clamped(view: View, row: Row): View {
  const side = Math.min(1, Math.max(closest(row), view.side));
  const inside = (from: number) => Math.min(1 - side, Math.max(0, from));
  return { side, x: inside(view.x), y: inside(view.y) };
}

/** Zooms by a factor about a point given as shares of the view. */
export function zoomed(view: View, row: Row, by: number, x = 0.5, y = 0.5): View {
  const side = Math.min(1, Math.max(closest(row), view.side * by));
  return clamped({ side, x: view.x + x * (view.side - side), y: view.y + y * (view.side - side) }, row);
}

/** The unit that a share of an axis lies in. */
export const unitAt = (share: number, count: number): number => Math.max(0, Math.min(count - 1, Math.floor(share * count)));

const painted = new WeakMap<Tile, { canvas: HTMLCanvasElement; colours: Rgb[]; most: number }>();

/** A tile as a picture, coloured by weight against `most`, on the square-root scale of its codes. */
function picture(each: Tile, colours: Rgb[], most: number): HTMLCanvasElement {
  const before = painted.get(each);
  if (before && before.colours === colours && before.most === most) return before.canvas;
  const canvas = before?.canvas ?? document.createElement("canvas");
  canvas.width = canvas.height = SIDE;
  const image = new ImageData(SIDE, SIDE);
  const scale = most ? Math.sqrt(each.top / most) : 0;
  for (let i = 0; i < each.codes.length; i++) {
    const [red, green, blue] = colours[Math.min(255, Math.round(each.codes[i] * scale))];
    image.data[4 * i] = red;
    image.data[4 * i + 1] = green;
    image.data[4 * i + 2] = blue;
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d")!.putImageData(image, 0, 0);
  painted.set(each, { canvas, colours, most });
  return canvas;
}

export interface Shown {
  zoom: number;
  /** The heaviest weight in sight: the darkest colour. */
  most: number;
  missing: number;
}

export function draw(canvas: HTMLCanvasElement, seen: Seen, row: Row, colours: Rgb[]): Shown | null {
  const ratio = window.devicePixelRatio || 1;
  const side = Math.round(canvas.clientWidth * ratio);
  const look = seen.look.value;
  if (!side || !look) return null;
  if (canvas.width !== side || canvas.height !== side) canvas.width = canvas.height = side;
  const view = seen.view.value;
  const zoom = zoomFor(view, side, row.of.deepest);
  const many = 2 ** zoom;
  const from = (start: number) => Math.max(0, Math.floor(start * many));
  const until = (start: number) => Math.min(many, Math.ceil((start + view.side) * many - 1e-9));
  const at = { look: look.look, layer: row.layer, head: row.head, sinks: !seen.hiding.value };
  const pen = canvas.getContext("2d")!;
  pen.imageSmoothingEnabled = false;
  const [red, green, blue] = colours[0];
  pen.fillStyle = `rgb(${red} ${green} ${blue})`;
  pen.fillRect(0, 0, side, side);
  const inSight: { each: Tile; row: number; col: number; zoom: number }[] = [];
  let missing = 0;
  for (let r = from(view.y); r < until(view.y); r++) {
    for (let c = from(view.x); c < until(view.x); c++) {
      const each = tile({ ...at, zoom, row: r, col: c });
      if (each) inSight.push({ each, row: r, col: c, zoom });
      else {
        missing += 1;
        const coarse = coarser(at, zoom, r, c);
        if (coarse) inSight.unshift(coarse);
      }
    }
  }
  const fine = inSight.filter((one) => one.zoom === zoom);
  const most = Math.max(0, ...(fine.length ? fine : inSight).map((one) => one.each.top));
  for (const one of inSight) {
    const size = side / (view.side * 2 ** one.zoom);
    const x = (one.col / 2 ** one.zoom - view.x) * (side / view.side);
    const y = (one.row / 2 ** one.zoom - view.y) * (side / view.side);
    pen.drawImage(picture(one.each, colours, most), x, y, size, size);
  }
  marks(pen, seen, row, side, ratio);
  return { zoom, most, missing };
}

/** While a tile is on its way the one above it stands in its place. */
function coarser(at: { look: string; layer: number; head: number; sinks: boolean }, zoom: number, row: number, col: number) {
  for (let up = 1; up <= zoom; up++) {
    const place = { ...at, zoom: zoom - up, row: row >> up, col: col >> up };
    const each = tile(place, zoom === up);
    if (each) return { each, row: place.row, col: place.col, zoom: place.zoom };
  }
  return null;
}

/** The chosen unit: dashed, its row as a query and its column as a key; and hatching over sinks that are left out. */
function marks(pen: CanvasRenderingContext2D, seen: Seen, row: Row, side: number, ratio: number): void {
  const view = seen.view.value;
  const pixel = (place: number, count: number, start: number) => ((place / count - start) / view.side) * side;
  const [line] = [named("--quiet")];
  pen.strokeStyle = `rgb(${line.join(" ")})`;
  pen.lineWidth = ratio;
  for (const key of seen.without.value[row.of.keys] ?? []) {
    const x = pixel(key, row.of.key_count, view.x);
    const wide = Math.max(3 * ratio, side / (view.side * row.of.key_count));
    if (x + wide < 0 || x > side) continue;
    pen.save();
    pen.beginPath();
    pen.rect(x, 0, wide, side);
    pen.clip();
    pen.beginPath();
    for (let y = -wide; y < side; y += 7 * ratio) {
      pen.moveTo(x, y);
      pen.lineTo(x + wide, y + wide);
    }
    pen.stroke();
    pen.restore();
  }
  const at = seen.unit.value;
  if (!at) return;
  pen.strokeStyle = colour("--focus");
  pen.lineWidth = 1.5 * ratio;
  pen.setLineDash([5 * ratio, 4 * ratio]);
  pen.beginPath();
  if (at.side === row.of.queries) {
    const y = pixel(at.place + 0.5, row.of.query_count, view.y);
    pen.moveTo(0, y);
    pen.lineTo(side, y);
  }
  if (at.side === row.of.keys) {
    const x = pixel(at.place + 0.5, row.of.key_count, view.x);
    pen.moveTo(x, 0);
    pen.lineTo(x, side);
  }
  pen.stroke();
  pen.setLineDash([]);
}

/** The weight of a query's cell at a point of the map; null while its tile is on its way. */
export function weightAt(seen: Seen, row: Row, x: number, y: number, pixels: number): number | null {
  const look = seen.look.value;
  if (!look) return null;
  const zoom = zoomFor(seen.view.value, pixels, row.of.deepest);
  const many = 2 ** zoom;
  const [r, c] = [unitAt(y, many), unitAt(x, many)];
  const place = { look: look.look, layer: row.layer, head: row.head, sinks: !seen.hiding.value, zoom, row: r, col: c };
  const found = tile(place, false);
  if (!found) return null;
  const within = (share: number, tileAt: number) => unitAt(share * many - tileAt, SIDE);
  return (found.codes[within(y, r) * SIDE + within(x, c)] / 255) ** 2 * found.top;
}

export { ramp };
