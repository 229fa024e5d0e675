// The panel of breadth against distance.
import { order } from "./heads";
import { type HeadRow, index } from "./payload";
import { Points } from "./points";
import { choose, chosen, label, spoken } from "./state";
import { short } from "./words";

const describe = (row: HeadRow) =>
  `${label(row)}: breadth ${short(row.breadth)} keys, distance ${short(row.distance)}`;

export function Scatter() {
  const rows = order.value.heads;
  const at = chosen.value;
  return (
    <section class="panel scatter" aria-label="Breadth against distance">
      <header>
        <h2>Breadth against distance</h2>
      </header>
      <Points
        rows={rows}
        chosen={rows.find((row) => row.layer === at?.layer && row.place === at?.place) ?? null}
        choose={choose}
        describe={describe}
        say={(text) => {
          spoken.value = text;
        }}
        label="Heads by breadth; arrow keys choose the next one"
        across="breadth, keys (log)"
        up={`distance, ${index.layers.some((layer) => layer.kind === "cross") ? "places" : "keys"} (log)`}
      />
      <p class="legend">Stronger: later layers.</p>
    </section>
  );
}
