// The sequences of an input, shaded by mass received: texts, and pictures as grids of patches.
import { useSignalEffect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Choice } from "./choice";
import { described } from "./describe";
import { hidden, masses, scaleWords, shades, spread } from "./mass";
import { Patches } from "./patches";
import { index, type StreamText } from "./payload";
import { underlined } from "./reading";
import { chosen, here, item, label, read, scale, scope, type Scope, spoken, streams, unit } from "./state";
import type { Scale } from "./shading";
import { Typeset } from "./typeset";
import { plural } from "./words";

function scopeWords(): string {
  const head = chosen.value;
  if (scope.value === "all" || !head) return "all layers and heads";
  if (scope.value === "layer") return `layer ${head.layer} (${index.layers[head.layer].short}), mean of its heads`;
  return label(head);
}

function Sequence({ number, text }: { number: number; text: StreamText }) {
  const host = useRef<HTMLDivElement>(null);
  const set = useRef<Typeset | null>(null);
  const prefix = `u${item.value}.${number}.`;
  useEffect(() => {
    const made = new Typeset(host.current!, text, prefix);
    set.current = made;
    made.paint(shades.value[number], hidden.value[number]);
    return () => made.close();
  }, [text, prefix]);
  useSignalEffect(() => {
    const [levels, without] = [shades.value[number], hidden.value[number]];
    set.current?.paint(levels, without);
  });
  useSignalEffect(() => {
    const marks = underlined.value.get(number);
    set.current?.mark(marks ?? []);
  });
  useSignalEffect(() => {
    const at = unit.value;
    const element = set.current?.select(at?.stream === number ? at.place : -1, true);
    if (element) host.current?.setAttribute("aria-activedescendant", element.id);
    else host.current?.removeAttribute("aria-activedescendant");
  });
  const go = (place: number) => {
    read(number, place);
    spoken.value = described(number, place);
  };
  const placeAt = (event: Event): number => {
    const id = (event.target as HTMLElement).id;
    return id.startsWith(prefix) ? Number(id.slice(prefix.length)) : -1;
  };
  return (
    <div
      class="text"
      ref={host}
      role="listbox"
      tabIndex={0}
      dir="auto"
      aria-label={`${here.value.streams[number].kind}s: arrow keys move, Enter goes to the top keys`}
      onKeyDown={(event) => pressed(event, set.current!, number, text.texts.length, go)}
      onClick={(event) => {
        const place = placeAt(event);
        if (place >= 0) go(place);
      }}
      onMouseOver={(event) => {
        const place = placeAt(event);
        if (place >= 0) spoken.value = described(number, place);
      }}
    />
  );
}

/** Arrow keys, Home, End and a page's steps move; Enter goes to what the chosen unit reads. */
function pressed(
  event: KeyboardEvent,
  made: Typeset,
  number: number,
  count: number,
  go: (place: number) => void,
): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const at = unit.value?.stream === number ? unit.value.place : -1;
  const first = () => made.step(-1, 1);
  const moves: Record<string, () => number> = {
    ArrowRight: () => made.step(at, 1),
    ArrowLeft: () => (at < 0 ? first() : made.step(at, -1)),
    ArrowDown: () => (at < 0 ? first() : made.line(at, 1)),
    ArrowUp: () => (at < 0 ? first() : made.line(at, -1)),
    PageDown: () => made.step(at, 100),
    PageUp: () => (at < 0 ? first() : made.step(at, -100)),
    Home: first,
    End: () => made.step(count, -1),
  };
  const move = moves[event.key];
  if (event.key === "Enter" && at >= 0) document.getElementById("reads")?.focus();
  else if (move) go(move());
  else return;
  event.preventDefault();
}

function Head({ number }: { number: number }) {
  const row = here.value.streams[number];
  const mass = masses.value[number];
  const asks = index.layers.some((_, layer) => here.value.queries[layer] === number);
  const role = !row.layers.length ? "queries only" : asks ? "queries and keys" : "keys only";
  return (
    <h3>
      Sequence {number + 1} of {here.value.streams.length}: {plural(row.count, row.kind)}, {role}
      {mass ? "" : ", not read in this scope"}
      {mass && <small>; {spread(number)}</small>}
    </h3>
  );
}

export function Texts() {
  const told = streams.value;
  return (
    <section class="panel texts" aria-label="Text, shaded by mass received">
      <header>
        <h2>Mass received</h2>
        <Choice
          name="scope"
          label="Seen by"
          value={scope.value}
          options={[
            ["all", "all heads"],
            ["layer", chosen.value ? `layer ${chosen.value.layer}` : "layer"],
            ["head", chosen.value ? label(chosen.value) : "head"],
          ]}
          set={(value) => {
            scope.value = value as Scope;
          }}
        />
        <Choice
          name="scale"
          label="Shades"
          value={scale.value}
          options={[
            ["rank", "rank"],
            ["log", "log"],
            ["linear", "linear"],
          ]}
          set={(value) => {
            scale.value = value as Scale;
          }}
        />
      </header>
      <p class="legend">
        <span class="ramp" aria-hidden="true">
          {Array.from({ length: 16 }, (_, level) => (
            <i key={level} class={`m${level}`} />
          ))}
        </span>
        {scopeWords()}; {scaleWords[scale.value]}
        {told?.length === 1 ? `; ${spread(0)}` : ""}
      </p>
      {told?.map((text, number) => (
        <div key={`${item.value}.${number}`} class={told.length > 1 ? "sequence several" : "sequence"}>
          {told.length > 1 && <Head number={number} />}
          {here.value.streams[number].grid ? (
            <Patches number={number} text={text} />
          ) : (
            <Sequence number={number} text={text} />
          )}
        </div>
      ))}
    </section>
  );
}
