// A small matrix with every number, its cells as dark as they are large.

export function Sheet(props: {
  name: string;
  rows: readonly string[];
  cols: readonly string[];
  values: number[][];
  /** Each row's sum, in a column of its own. */
  sums?: number[];
  shade?: boolean;
  /** What the palest cell stands for; without it, the smallest number. */
  from?: number;
}) {
  const all = props.values.flat();
  const [least, most] = [props.from ?? Math.min(...all), Math.max(...all)];
  const level = (value: number) => (props.shade && most > least ? Math.round((15 * (value - least)) / (most - least)) : 0);
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={props.name}>
      <table class="sheet">
        <caption>{props.name}</caption>
        <thead>
          <tr>
            <td />
            {props.cols.map((col, place) => (
              <th scope="col" key={place}>
                {col}
              </th>
            ))}
            {props.sums && <th scope="col">Σ</th>}
          </tr>
        </thead>
        <tbody>
          {props.values.map((row, place) => (
            <tr key={place}>
              <th scope="row">{props.rows[place]}</th>
              {row.map((value, col) => (
                <td key={col} class={`m${level(value)}`}>
                  {value.toFixed(3)}
                </td>
              ))}
              {props.sums && <td class="sum">{props.sums[place].toFixed(3)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
