// A head's map on its canvas: cells, columns that are left out, the chosen unit, the cursor.
import { colour, named, ramp } from "./colours";
import { cursor, type Flow, shown, sizes, used, type View } from "./flow";
import { chosen, here, unit } from "./state";

export function draw(canvas: HTMLCanvasElement, found: Flow): void {
  const ratio = window.devicePixelRatio || 1;
  const side = Math.round(canvas.clientWidth * ratio);
  if (!side) return;
  if (canvas.width !== side || canvas.height !== side) canvas.width = canvas.height = side;
  const now = shown(found);
  const { cols } = sizes(found);
  const colours = ramp();
  const grey = named("--line");
  const image = new ImageData(now.cols, now.rows);
  const spread = Math.log(found.most / found.floor) || 1;
  for (let r = 0; r < now.rows; r++) {
    for (let c = 0; c < now.cols; c++) {
      const share = found.share[(now.row + r) * cols + now.col + c];
      const level = share > found.floor ? Math.min(1, Math.log(share / found.floor) / spread) : 0;
      const [red, green, blue] = Number.isNaN(share) ? grey : colours[Math.round(255 * level)];
      image.data.set([red, green, blue, found.blank.has(now.col + c) ? 0 : 255], 4 * (r * now.cols + c));
    }
  }
  const tile = document.createElement("canvas");
  tile.width = now.cols;
  tile.height = now.rows;
  tile.getContext("2d")!.putImageData(image, 0, 0);
  const pen = canvas.getContext("2d")!;
  pen.imageSmoothingEnabled = false;
  pen.clearRect(0, 0, side, side);
  pen.drawImage(tile, 0, 0, side, side);
  const [wide, high] = [side / now.cols, side / now.rows];
  hatch(pen, found, now, wide, side);
  lines(pen, found, now, wide, high, side, ratio);
}

/** Columns that are left out get lines, so that they are not taken for columns without weight. */
function hatch(pen: CanvasRenderingContext2D, found: Flow, now: View, wide: number, side: number): void {
  pen.strokeStyle = colour("--quiet");
  for (const col of found.blank) {
    const x = (col - now.col) * wide;
    if (x < 0 || x >= side) continue;
    pen.save();
    pen.beginPath();
    pen.rect(x, 0, Math.max(2, wide), side);
    pen.clip();
    pen.beginPath();
    for (let y = -side; y < side; y += 6) {
      pen.moveTo(x, y);
      pen.lineTo(x + side, y + side);
    }
    pen.stroke();
    pen.restore();
  }
}

/** The chosen unit's row (as a query) and column (as a key), and the cell under the cursor. */
function lines(
  pen: CanvasRenderingContext2D,
  found: Flow,
  now: View,
  wide: number,
  high: number,
  side: number,
  ratio: number,
): void {
  const head = chosen.value!;
  const at = unit.value;
  pen.strokeStyle = colour("--focus");
  pen.lineWidth = ratio;
  const binOf = (edges: number[], place: number) => edges.findIndex((edge, i) => place >= edge && place < edges[i + 1]);
  if (at?.stream === here.value.queries[head.layer]) {
    const y = (binOf(found.rows, at.place) - now.row + 0.5) * high;
    pen.setLineDash([4 * ratio, 3 * ratio]);
    pen.beginPath();
    pen.moveTo(0, y);
    pen.lineTo(side, y);
    pen.stroke();
    pen.setLineDash([]);
  }
  if (!used.value) return;
  pen.lineWidth = 2 * ratio;
  const { row, col } = cursor.value;
  pen.strokeRect((col - now.col) * wide, (row - now.row) * high, Math.max(wide, 3), Math.max(high, 3));
}

