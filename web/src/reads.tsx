// The chosen unit as a query: its top keys in each layer, and in the chosen head.
import type { ComponentChildren } from "preact";
import { described } from "./describe";
import { hidden } from "./mass";
import { index } from "./payload";
import { headReading, type LayerReading, readings } from "./reading";
import { choose, chosen, here, hiding, label, read, spoken, streams, unit } from "./state";
import { alone, percent, plural, short, whole } from "./words";

const SHOWN = 8;

export function Reads() {
  const at = unit.value;
  const told = streams.value;
  const head = chosen.value;
  return (
    <section class="panel reads" aria-label="Top keys of the chosen unit" id="reads" tabIndex={-1}>
      <header>
        <h2>
          {at && told ? (
            <>
              What “{alone(told[at.stream].texts[at.place])}” reads{" "}
              <small>
                {here.value.streams[at.stream].kind} {whole(at.place)}
              </small>
            </>
          ) : (
            "What a unit reads"
          )}
        </h2>
      </header>
      {at && told ? (
        <>
          <p class="legend">{described(at.stream, at.place)}</p>
          <table class="keys">
            <thead>
              <tr>
                <th scope="col">layer</th>
                <th scope="col" title="effective number of keys: exp of the entropy, mean over heads">
                  breadth
                </th>
                <th scope="col">top keys; weight, mean over the heads told (at least)</th>
              </tr>
            </thead>
            <tbody>
              {headReading.value && head && <Row name={label(head)} reading={headReading.value} kind="head" />}
              {readings.value.map((reading) => (
                <Row
                  key={reading.layer}
                  name={`L${reading.layer}`}
                  reading={reading}
                  kind={reading.layer === head?.layer ? "on" : ""}
                />
              ))}
            </tbody>
          </table>
          {!readings.value.length && <p class="missing">No layer has this sequence as queries: it is only read.</p>}
        </>
      ) : (
        <p class="missing">Choose a unit of the text: its top keys in each layer stand here.</p>
      )}
    </section>
  );
}

function Row({ name, reading, kind }: { name: string; reading: LayerReading; kind: string }) {
  const layer = index.layers[reading.layer];
  const first = index.order.heads.find((row) => row.layer === reading.layer);
  return (
    <tr class={kind}>
      <th scope="row">
        <button
          type="button"
          class="plain"
          title={`${layer.name}: ${layer.kind}, ${layer.mask}`}
          onClick={() => first && chosen.value?.layer !== reading.layer && choose(first)}
        >
          {name}
        </button>
        {layer.kind === "cross" && <em>cross</em>}
      </th>
      <td class="number">{reading.breadth === null ? "–" : short(reading.breadth)}</td>
      <td>{content(reading)}</td>
    </tr>
  );
}

function content(reading: LayerReading): ComponentChildren {
  if (reading.reads === null) return <span class="quiet">not among the observed queries</span>;
  if (!reading.held) return <span class="quiet">no top keys in this file</span>;
  if (reading.reads === undefined) return <span class="quiet">reading …</span>;
  const without = hidden.value[reading.stream];
  const kept = reading.reads.filter((each) => !without.has(each.key));
  const gone = reading.reads.filter((each) => without.has(each.key));
  const told = streams.value![reading.stream];
  if (!reading.reads.length) return <span class="quiet">may attend to nothing</span>;
  return (
    <span class="chips">
      {kept.slice(0, SHOWN).map((each) => {
        const heads = each.heads.length > 1 ? plural(each.heads.length, "head") : `head ${each.heads[0]}`;
        const say = `key ${whole(each.key)}: weight ${percent(each.weight)}, ${heads}`;
        return (
          <button
            type="button"
            key={each.key}
            class={`chip m${Math.min(15, Math.round(15 * Math.sqrt(each.weight)))}`}
            title={say}
            onMouseOver={() => {
              spoken.value = say;
            }}
            onClick={() => read(reading.stream, each.key)}
          >
            {alone(told.texts[each.key] ?? "", 16)} <i>{percent(each.weight)}</i>
          </button>
        );
      })}
      {hiding.value && gone.length > 0 && (
        <span class="quiet">
          {plural(gone.length, "sink")} hidden, {percent(gone.reduce((sum, each) => sum + each.weight, 0))}
        </span>
      )}
    </span>
  );
}
