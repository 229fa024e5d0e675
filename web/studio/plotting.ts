// Curves on a canvas: axes with round numbers, lines that differ in colour and in dashes, so that colour alone says nothing.
import { colour } from "../src/colours";
import { figure } from "./sizes";

export interface Curve {
  name: string;
  points: [number, number][];
  /** A level rather than a curve: drawn across, thin. */
  level?: boolean;
}

export interface Axes {
  x: string;
  y: string;
  /** Logarithmic across. */
  log?: boolean;
}

const PAD = { left: 52, right: 14, top: 26, bottom: 34 };
const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3], [4, 2], [1, 4]];
export const COLOURS = 6; // --curve0 to --curve5

export const dashes = (place: number): number[] => DASHES[place % DASHES.length];

/** Some five round numbers from least to most. */
function ticks(least: number, most: number): number[] {
  const rough = (most - least) / 5 || 1;
  const decade = 10 ** Math.floor(Math.log10(rough));
  const step = decade * ([1, 2, 5, 10].find((each) => each * decade >= rough) ?? 10);
  const found: number[] = [];
  for (let i = Math.ceil(least / step - 1e-9); i * step <= most + step * 1e-9; i++) found.push(Number((i * step).toPrecision(12)));
  return found;
}

const spread = (values: number[]): [number, number] => {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const room = (most - least || Math.abs(most) || 1) * 0.06;
  return [least - room, most + room];
};

/** From numbers to pixels, for curves on a canvas of this size. */
export function scaled(curves: Curve[], axes: Axes, wide: number, high: number) {
  const across = curves.flatMap((curve) => (curve.level ? [] : curve.points.map(([x]) => x)));
  const up = curves.flatMap((curve) => curve.points.map(([, y]) => y)).filter(Number.isFinite);
  const lay = (value: number) => (axes.log ? Math.log(value) : value);
  const [left, right] = across.length ? spread(across.map(lay)) : [0, 1];
  const [low, top] = up.length ? spread(up) : [0, 1];
  return {
    x: (value: number) => PAD.left + ((lay(value) - left) / (right - left)) * (wide - PAD.left - PAD.right),
    y: (value: number) => high - PAD.bottom - ((value - low) / (top - low)) * (high - PAD.top - PAD.bottom),
    across: axes.log ? [...new Set(across)].sort((a, b) => a - b) : ticks(Math.max(left, Math.min(...across)), right),
    up: ticks(low, top),
  };
}

export function plot(canvas: HTMLCanvasElement, curves: Curve[], axes: Axes, mark: number | null): void {
  const ratio = window.devicePixelRatio || 1;
  const [wide, high] = [canvas.clientWidth, canvas.clientHeight];
  if (!wide || !high) return;
  canvas.width = Math.round(wide * ratio);
  canvas.height = Math.round(high * ratio);
  const pen = canvas.getContext("2d")!;
  pen.scale(ratio, ratio);
  pen.fillStyle = colour("--panel");
  pen.fillRect(0, 0, wide, high);
  const scales = scaled(curves, axes, wide, high);
  frame(pen, scales, axes, wide, high);
  curves.forEach((curve, place) => {
    pen.strokeStyle = pen.fillStyle = colour(`--curve${place % COLOURS}`);
    pen.lineWidth = curve.level ? 1.25 : 2;
    pen.setLineDash(dashes(place));
    pen.beginPath();
    const points = curve.level ? [[PAD.left, scales.y(curve.points[0][1])], [wide - PAD.right, scales.y(curve.points[0][1])]] : curve.points.map(([x, y]) => [scales.x(x), scales.y(y)]);
    for (const [i, [x, y]] of points.entries()) i ? pen.lineTo(x, y) : pen.moveTo(x, y);
    pen.stroke();
    pen.setLineDash([]);
    if (!curve.level && points.length < 24) {
      for (const [x, y] of points) {
        pen.beginPath();
        pen.arc(x, y, 3, 0, 7);
        pen.fill();
      }
    }
  });
  if (mark === null) return;
  pen.strokeStyle = colour("--focus");
  pen.lineWidth = 1.5;
  pen.beginPath();
  pen.moveTo(scales.x(mark), PAD.top);
  pen.lineTo(scales.x(mark), high - PAD.bottom);
  pen.stroke();
}

function frame(pen: CanvasRenderingContext2D, scales: ReturnType<typeof scaled>, axes: Axes, wide: number, high: number): void {
  pen.font = "11px system-ui, sans-serif";
  pen.strokeStyle = colour("--line");
  pen.fillStyle = colour("--quiet");
  pen.lineWidth = 1;
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  for (const tick of scales.up) {
    const y = Math.round(scales.y(tick)) + 0.5;
    pen.beginPath();
    pen.moveTo(PAD.left, y);
    pen.lineTo(wide - PAD.right, y);
    pen.stroke();
    pen.fillText(figure(tick), PAD.left - 6, y);
  }
  pen.textAlign = "center";
  pen.textBaseline = "top";
  let free = -Infinity;
  for (const tick of scales.across) {
    const x = scales.x(tick);
    const text = axes.log ? `${figure(100 * tick)} %` : figure(tick);
    const half = pen.measureText(text).width / 2;
    if (x - half < free || x + half > wide) continue;
    pen.fillText(text, x, high - PAD.bottom + 6);
    free = x + half + 8;
  }
  pen.textAlign = "right";
  pen.textBaseline = "bottom";
  pen.fillText(axes.x, wide - PAD.right, high - 1);
  pen.textAlign = "left";
  pen.textBaseline = "top";
  pen.fillText(axes.y, 2, 2);
}
