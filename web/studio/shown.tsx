// One look on the page: its answer, its heads, its units, its map. Two of them stand side by side.
import type { RefObject } from "preact";
import { Choice } from "../src/choice";
import type { Scale } from "../src/shading";
import { alone, percent, short, whole } from "../src/words";
import { Heads, Scatter } from "./heads";
import { words } from "./language";
import { Reads } from "./reads";
import { spoken } from "./rooms";
import { label, type Scope, type Seen } from "./seen";
import { TileMap } from "./tilemap";
import { Trouble } from "./trouble";
import { textsOf, UnitsView } from "./units";
import { Told } from "./told";

export function Shown({ seen, map }: { seen: Seen; map: RefObject<HTMLCanvasElement | null> }) {
  const w = words.value.look;
  const look = seen.look.value;
  if (seen.wrong.value && !look) return <Trouble wrong={seen.wrong.value} />;
  if (!look) return <p class="missing" role="status">{w.opening}</p>;
  return (
    <div class="shown">
      <header class="panel answer">
        <p>
          <b>{look.model || look.title}</b> <span class="quiet">{w.size(look.units.count, look.units.kind, look.layers.length, seen.rows.value.length)}</span>{" "}
          {look.answer?.trim() && (
            <span class="said">
              {w.answer} <b>{look.answer}</b>
            </span>
          )}
        </p>
        <Sinks seen={seen} />
      </header>
      {seen.wrong.value && <Trouble wrong={seen.wrong.value} />}
      {look.unseen.length > 0 && (
        <div class="trouble" role="alert">
          <p>
            <b>{w.unseen(look.unseen.length)}</b>
          </p>
          <ul>
            {look.unseen.map(([name, why]) => (
              <li key={name}>
                <code>{name}</code>: <Told text={why} />
              </li>
            ))}
          </ul>
        </div>
      )}
      <div class="panes">
        <Heads seen={seen} />
        <div class="middle">
          <UnitsPanel seen={seen} />
          <Reads seen={seen} />
        </div>
        <div class="side">
          <TileMap seen={seen} picture={map} />
          <Scatter seen={seen} />
        </div>
      </div>
      <div class="notes">
        {[look.limits, ...look.notes].map((note) => (
          <p key={note}>
            <Told text={note} />
          </p>
        ))}
      </div>
    </div>
  );
}

function Sinks({ seen }: { seen: Seen }) {
  const w = words.value.look;
  const sinks = seen.look.value?.sinks ?? [];
  if (!sinks.length) return <p class="legend">{w.noSinks}</p>;
  const share = sinks.reduce((sum, sink) => sum + sink.share, 0);
  const names = sinks.slice(0, 3).map((sink) => `“${alone(sink.text)}”`).join(", ");
  return (
    <label class="switch">
      <input
        type="checkbox"
        checked={seen.hiding.value}
        onChange={(event) => {
          seen.hiding.value = event.currentTarget.checked;
        }}
      />
      <span>{w.hide}</span> <span class="quiet">{(seen.hiding.value ? w.hidden : w.sinks)(sinks.length, names, percent(share))}</span>
    </label>
  );
}

function UnitsPanel({ seen }: { seen: Seen }) {
  const w = words.value.look;
  const look = seen.look.value!;
  const row = seen.chosen.value;
  const say = (side: number, place: number) => {
    const units = seen.sides.value[side];
    const mass = seen.masses.value[side];
    const name = `${units.kind} ${whole(place)} “${alone(textsOf(units)[place] ?? "")}”`;
    const value = mass?.[place];
    const sink = seen.without.value[side].has(place) ? ` (${w.hiddenSink})` : "";
    spoken.value = value === undefined ? name : `${name}: ${seen.scope.value === "all" ? percent(value) : short(value)} ${w.ofMass}${sink}`;
  };
  return (
    <section class="panel texts" aria-label={w.shaded}>
      <header>
        <h3>{w.shaded}</h3>
        <Choice
          name={`${seen.name}-scope`}
          label={w.by}
          value={seen.scope.value}
          options={[
            ["all", w.allHeads],
            ["head", row ? label(row) : w.oneHead],
          ]}
          set={(value) => {
            seen.scope.value = value as Scope;
          }}
        />
        <Choice
          name={`${seen.name}-scale`}
          label={w.shades}
          value={seen.scale.value}
          options={[
            ["rank", w.rank],
            ["log", w.log],
            ["linear", w.linear],
          ]}
          set={(value) => {
            seen.scale.value = value as Scale;
          }}
        />
      </header>
      {seen.sides.value.map((units, side) => (
        <div key={`${look.look}.${side}`} class="sequence">
          {seen.sides.value.length > 1 && <h4>{w.sequence(side + 1, units.count, units.kind)}</h4>}
          <UnitsView
            units={units}
            levels={seen.shades.value[side]}
            hidden={seen.without.value[side]}
            marked={seen.marked.value[side]}
            chosen={seen.unit.value?.side === side ? seen.unit.value.place : -1}
            choose={(place) => {
              seen.unit.value = { side, place };
            }}
            say={(place) => say(side, place)}
            label={w.unitsHelp}
            picture={side === 0 ? look.picture : null}
          />
        </div>
      ))}
      <p class="legend">
        <span class="ramp" aria-hidden="true">
          {Array.from({ length: 16 }, (_, level) => (
            <i key={level} class={`m${level}`} />
          ))}
        </span>
        {w.scales[seen.scale.value]}
      </p>
    </section>
  );
}
