// Moments of a sound or steps of a series on a canvas: a bar each, as high as it weighs; a few of them named below.
import { colour, ramp } from "../src/colours";
import type { Units } from "./shapes";

const FOOT = 18; // pixels for the names

export function drawMoments(
  canvas: HTMLCanvasElement,
  units: Units,
  levels: ArrayLike<number>,
  marked: Set<number>,
  hidden: Set<number>,
  chosen: number,
): void {
  const ratio = window.devicePixelRatio || 1;
  const [wide, high] = [canvas.clientWidth, canvas.clientHeight];
  if (!wide || !high) return;
  canvas.width = Math.round(wide * ratio);
  canvas.height = Math.round(high * ratio);
  const pen = canvas.getContext("2d")!;
  pen.scale(ratio, ratio);
  pen.clearRect(0, 0, wide, high);
  const signed = Array.from(levels).some((level) => level < 0);
  const room = high - FOOT;
  const base = signed ? room / 2 : room;
  const step = wide / units.count;
  const colours = ramp();
  for (let i = 0; i < units.count; i++) {
    const share = levels[i] / 15;
    const [red, green, blue] = colours[Math.round(255 * (0.35 + 0.5 * Math.abs(share)))];
    const tall = Math.max(1, Math.abs(share) * (base - 6));
    pen.fillStyle = hidden.has(i) ? colour("--line") : share < 0 ? colour("--against") : `rgb(${red} ${green} ${blue})`;
    pen.fillRect(i * step, share < 0 ? base : base - tall, Math.max(1, step - (step > 4 ? 1 : 0)), tall);
    if (!marked.has(i) && i !== chosen) continue;
    pen.fillStyle = colour("--focus");
    pen.fillRect(i * step, room, Math.max(2, step - 1), i === chosen ? 5 : 2);
  }
  pen.strokeStyle = colour("--line");
  pen.beginPath();
  pen.moveTo(0, base + 0.5);
  pen.lineTo(wide, base + 0.5);
  pen.stroke();
  names(pen, units, wide, high);
  if (chosen < 0) return;
  pen.strokeStyle = colour("--focus");
  pen.lineWidth = 2;
  pen.strokeRect(chosen * step, 1, Math.max(2, step), room - 1);
}

function names(pen: CanvasRenderingContext2D, units: Units, wide: number, high: number): void {
  pen.fillStyle = colour("--quiet");
  pen.font = "11px system-ui, sans-serif";
  pen.textBaseline = "bottom";
  const every = Math.max(1, Math.ceil((units.count * 84) / wide));
  for (let i = 0; i < units.count; i += every) {
    const x = (i / units.count) * wide;
    if (i && wide - x < 60) break;
    pen.fillText(units.texts[i], x, high - 1, 78);
  }
}
