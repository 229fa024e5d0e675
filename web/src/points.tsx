// Breadth against distance: one point a head, stronger in later layers. Arrow keys go through the points from left to
// right; a click chooses.
import { useRef } from "preact/hooks";
import { whole } from "./words";

const WIDE = 380;
const HIGH = 180;
const PAD = { left: 36, right: 8, top: 18, bottom: 28 };

export interface Point {
  layer: number;
  breadth: number;
  distance: number;
}

/** Round numbers from `least` to `most`: 1, 10, 100 …, with steps between where there would be fewer than three. */
function ticks(least: number, most: number): number[] {
  let found: number[] = [];
  for (const steps of [[1], [1, 2, 5], [1, 2, 3, 4, 5, 6, 7, 8, 9]]) {
    found = [];
    for (let decade = 1; decade <= most; decade *= 10) found.push(...steps.map((step) => step * decade));
    found = found.filter((tick) => tick >= least && tick <= most);
    if (found.length > 2) break;
  }
  return found;
}

/** The largest of 1, 2, 5, 10, 20 … that is not above `value`. */
const below = (value: number): number => {
  const decade = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  return decade * (value >= 5 * decade ? 5 : value >= 2 * decade ? 2 : 1);
};

/** Where the axes begin and end: distances under one place begin at 0. */
function extents(rows: Point[]) {
  const breadths = rows.map((row) => Math.max(1, row.breadth));
  const distances = rows.map((row) => row.distance);
  const nearest = Math.min(...distances);
  return {
    narrow: below(Math.min(...breadths)),
    wide: Math.max(...breadths) * 1.05,
    near: nearest < 1 ? 0 : below(nearest),
    far: Math.max(2, ...distances) * 1.05,
  };
}

/** From breadth and distance to pixels. */
function scaled(rows: Point[]) {
  const { narrow, wide, near, far } = extents(rows);
  const x = (breadth: number) => {
    const share = Math.log(Math.max(1, breadth) / narrow) / (Math.log(wide / narrow) || 1);
    return PAD.left + share * (WIDE - PAD.left - PAD.right);
  };
  const y = (distance: number) => {
    const share = (Math.log1p(distance) - Math.log1p(near)) / (Math.log1p(far) - Math.log1p(near));
    return HIGH - PAD.bottom - share * (HIGH - PAD.top - PAD.bottom);
  };
  return { x, y, narrow, wide, near, far };
}

function Axes({ x, y, narrow, wide, near, far, across, up }: ReturnType<typeof scaled> & { across: string; up: string }) {
  return (
    <g class="axes" aria-hidden="true">
      {ticks(narrow, wide).map((tick) => (
        <g key={tick}>
          <line x1={x(tick)} x2={x(tick)} y1={PAD.top} y2={HIGH - PAD.bottom} />
          <text x={x(tick)} y={HIGH - PAD.bottom + 11} text-anchor="middle">
            {whole(tick)}
          </text>
        </g>
      ))}
      {[...(near ? [] : [0]), ...ticks(Math.max(1, near), far)].map((tick) => (
        <g key={tick}>
          <line x1={PAD.left} x2={WIDE - PAD.right} y1={y(tick)} y2={y(tick)} />
          <text x={PAD.left - 4} y={y(tick) + 3} text-anchor="end">
            {whole(tick)}
          </text>
        </g>
      ))}
      <text class="title" x={WIDE - PAD.right} y={HIGH - 4} text-anchor="end">
        {across}
      </text>
      <text class="title" x={PAD.left} y={10}>
        {up}
      </text>
    </g>
  );
}

export function Points<T extends Point>(props: {
  rows: T[];
  chosen: T | null;
  choose: (row: T) => void;
  describe: (row: T) => string;
  say: (text: string) => void;
  label: string;
  /** Titles of the axes. */
  across: string;
  up: string;
  /** Of a point, the start of its element's id; the same in no other picture of the page. */
  prefix?: string;
}) {
  const { rows, describe, prefix = "point" } = props;
  const svg = useRef<SVGSVGElement>(null);
  const scales = scaled(rows);
  const { x, y } = scales;
  const across = [...rows].sort((a, b) => a.breadth - b.breadth);
  const at = props.chosen ? across.indexOf(props.chosen) : -1;
  const last = Math.max(1, ...rows.map((row) => row.layer));
  const go = (i: number) => {
    const row = across[Math.max(0, Math.min(across.length - 1, i))];
    if (!row) return;
    props.choose(row);
    props.say(describe(row));
  };
  const key = (event: KeyboardEvent) => {
    const moves: Record<string, number> = {
      ArrowRight: at + 1,
      ArrowUp: at + 1,
      ArrowLeft: at - 1,
      ArrowDown: at - 1,
      Home: 0,
      End: across.length - 1,
    };
    if (!(event.key in moves)) return;
    event.preventDefault();
    go(moves[event.key]);
  };
  const nearest = (event: MouseEvent): number => {
    const matrix = svg.current!.getScreenCTM()!.inverse();
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix);
    let best = -1;
    let least = 14 ** 2;
    across.forEach((row, i) => {
      const off = (x(row.breadth) - point.x) ** 2 + (y(row.distance) - point.y) ** 2;
      if (off < least) [least, best] = [off, i];
    });
    return best;
  };
  const on = across[at];
  return (
    <svg
      ref={svg}
      viewBox={`0 0 ${WIDE} ${HIGH}`}
      role="listbox"
      tabindex={0}
      aria-label={props.label}
      aria-activedescendant={at >= 0 ? `${prefix}${at}` : undefined}
      onKeyDown={key}
      onClick={(event) => {
        const i = nearest(event);
        if (i >= 0) go(i);
      }}
      onMouseMove={(event) => {
        const i = nearest(event);
        if (i >= 0) props.say(describe(across[i]));
      }}
    >
      <Axes {...scales} across={props.across} up={props.up} />
      {across.map((row, i) => (
        <circle
          key={i}
          id={`${prefix}${i}`}
          role="option"
          aria-selected={i === at}
          aria-label={describe(row)}
          cx={x(row.breadth)}
          cy={y(row.distance)}
          r={3}
          fill-opacity={0.25 + (0.65 * row.layer) / last}
        />
      ))}
      {on && <circle class="ring" cx={x(on.breadth)} cy={y(on.distance)} r={6} aria-hidden="true" />}
    </svg>
  );
}
