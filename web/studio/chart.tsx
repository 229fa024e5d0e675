// Curves with their legend, and the same numbers as a table for those who read rather than look.
import { useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { palette } from "../src/colours";
import { words } from "./language";
import { type Axes, COLOURS, type Curve, dashes, plot } from "./plotting";
import { figure } from "./sizes";

export function Chart(props: {
  title: string;
  curves: Curve[];
  axes: Axes;
  mark?: number | null;
  canvas?: { current: HTMLCanvasElement | null };
}) {
  const own = useRef<HTMLCanvasElement>(null);
  const latest = useRef(props);
  latest.current = props;
  const paint = () => {
    const now = latest.current;
    if (own.current) plot(own.current, now.curves, now.axes, now.mark ?? null);
    if (now.canvas) now.canvas.current = own.current;
  };
  useSignalEffect(() => {
    palette.value;
    requestAnimationFrame(paint);
  });
  useEffect(paint);
  useEffect(() => {
    const watcher = new ResizeObserver(paint);
    watcher.observe(own.current!);
    return () => watcher.disconnect();
  }, []);
  const said = props.curves
    .filter((curve) => curve.points.length)
    .map((curve) => `${curve.name}: ${figure(curve.points[0][1])}${curve.level ? "" : ` → ${figure(curve.points[curve.points.length - 1][1])}`}`);
  return (
    <figure class="chart">
      <canvas ref={own} role="img" aria-label={`${props.title}. ${said.join("; ")}`} />
      <figcaption>
        <ul class="key" hidden={props.curves.length < 2}>
          {props.curves.map((curve, place) => (
            <li key={curve.name}>
              <svg width="26" height="8" aria-hidden="true">
                <line class={`curve${place % COLOURS}`} x1="0" x2="26" y1="4" y2="4" stroke-dasharray={dashes(place).join(" ")} />
              </svg>
              {curve.name}
            </li>
          ))}
        </ul>
        <details>
          <summary>{words.value.chart.table}</summary>
          <Rows curves={props.curves} axes={props.axes} />
        </details>
      </figcaption>
    </figure>
  );
}

function Rows({ curves, axes }: { curves: Curve[]; axes: Axes }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={words.value.chart.table}>
      <table class="figures">
        <thead>
          <tr>
            <th scope="col">{words.value.chart.name}</th>
            <th scope="col">{axes.x}</th>
            <th scope="col">{axes.y}</th>
          </tr>
        </thead>
        <tbody>
          {curves.flatMap((curve) =>
            curve.points.slice(-200).map(([x, y], place) => (
              <tr key={`${curve.name}.${place}`}>
                <th scope="row">{curve.name}</th>
                <td>{curve.level ? "" : figure(x)}</td>
                <td>{figure(y)}</td>
              </tr>
            )),
          )}
        </tbody>
      </table>
    </div>
  );
}
