// How faithful an explanation is: each measure beside random, position and reverse order, with its interval.
import { words } from "./language";
import { figure } from "./sizes";
import type { Evidence, EvidenceRow } from "./why-shapes";
import { Told } from "./told";

const WIDE = 130;
const HIGH = 22;

export function EvidenceTable({ of, method }: { of: Evidence; method: string }) {
  const w = words.value.evidence;
  return (
    <section class="evidence" aria-label={w.title(method)}>
      <h4>{w.heading}</h4>
      <ul>
        {of.lines.map((line) => (
          <li key={line}><Told text={line} /></li>
        ))}
      </ul>
      {of.rows.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label={w.title(method)}>
          <table class="figures">
            <thead>
              <tr>
                <th scope="col">{w.measure}</th>
                <td />
                <th scope="col">{w.value}</th>
                <th scope="col">{w.random}</th>
                <th scope="col">{w.position}</th>
                <th scope="col">{w.reverse}</th>
                <th scope="col">{w.inputs}</th>
              </tr>
            </thead>
            <tbody>
              {of.rows.map((row) => (
                <tr key={`${row.measure}.${row.replacement}`}>
                  <th scope="row">
                    <span title={row.about}>{row.measure}</span> <span class="quiet">{[row.replacement, row.better && w.better[row.better]].filter(Boolean).join(", ")}</span>
                  </th>
                  <td>
                    <Picture row={row} />
                  </td>
                  <td>
                    <b>{figure(row.value)}</b>
                    {row.inputs > 1 && row.low !== null && row.high !== null && (
                      <span class="quiet">
                        {" "}
                        [{figure(row.low)}, {figure(row.high)}]
                      </span>
                    )}
                  </td>
                  <td>{figure(row.random)}</td>
                  <td>{figure(row.position)}</td>
                  <td>{figure(row.reverse)}</td>
                  <td>{row.inputs}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <p class="legend">{w.legend}</p>
    </section>
  );
}

/** One measure on a line: the method as a dot with its interval, the others as marks of their own shape. */
function Picture({ row }: { row: EvidenceRow }) {
  const all = [row.value, row.low, row.high, row.random, row.position, row.reverse].filter((each): each is number => each !== null);
  if (row.value === null || all.length < 2) return null;
  const [least, most] = [Math.min(0, ...all), Math.max(0, ...all)];
  const x = (value: number) => 6 + ((value - least) / (most - least || 1)) * (WIDE - 12);
  const middle = HIGH / 2;
  const mark = (value: number | null, draw: (at: number) => preact.JSX.Element) => (value === null ? null : draw(x(value)));
  return (
    <svg class="dots" width={WIDE} height={HIGH} viewBox={`0 0 ${WIDE} ${HIGH}`} aria-hidden="true">
      <line class="axis" x1={6} x2={WIDE - 6} y1={middle} y2={middle} />
      <line class="axis" x1={x(0)} x2={x(0)} y1={3} y2={HIGH - 3} />
      {row.inputs > 1 && row.low !== null && row.high !== null && <line class="interval" x1={x(row.low)} x2={x(row.high)} y1={middle} y2={middle} />}
      {mark(row.random, (at) => <rect class="random" x={at - 3.5} y={middle - 3.5} width={7} height={7} />)}
      {mark(row.position, (at) => <path class="position" d={`M${at} ${middle - 5}l4.5 8h-9z`} />)}
      {mark(row.reverse, (at) => <path class="reverse" d={`M${at - 4} ${middle - 4}l8 8m0 -8l-8 8`} />)}
      {mark(row.value, (at) => <circle class="value" cx={at} cy={middle} r={4.5} />)}
    </svg>
  );
}
