// The page: heads on the left, the text and what a unit of it reads in the middle, maps of heads on the right.
import { render } from "preact";
import { Choice } from "./choice";
import { Heads } from "./heads";
import { HeadMap } from "./map";
import { sinks } from "./mass";
import { index } from "./payload";
import { Reads } from "./reads";
import { Scatter } from "./scatter";
import { here, hiding, item, open, rest, spoken, streams } from "./state";
import { Texts } from "./text";
import { type Theme, theme } from "./theme";
import { percent, plural, whole } from "./words";

function Inputs() {
  if (index.items.length < 2) return null;
  return (
    <label class="pick">
      Input{" "}
      <select
        value={item.value}
        onChange={(event) => {
          const number = Number(event.currentTarget.value);
          void open(number).then(() => rest(number));
        }}
      >
        {index.items.map((_, number) => (
          <option key={number} value={number}>
            {number + 1} of {index.items.length}
          </option>
        ))}
      </select>
    </label>
  );
}

function Sinks() {
  const { keys, share } = sinks.value;
  const any = here.value.streams.some((stream) => stream.sinks.length);
  const words = !any
    ? "no sinks"
    : hiding.value
      ? `hiding ${plural(keys, "key")} that ${keys === 1 ? "takes" : "take"} ${percent(share)} of the mass`
      : `${plural(keys, "sink")}: ${percent(share)} of the mass`;
  return (
    <label class="switch">
      <input
        type="checkbox"
        checked={hiding.value}
        disabled={!any}
        onChange={(event) => {
          hiding.value = event.currentTarget.checked;
        }}
      />
      Hide sinks <span aria-live="polite">({words})</span>
    </label>
  );
}

function Bar() {
  const heads = index.order.heads.length;
  const units = here.value.streams.map((stream) => plural(stream.count, stream.kind)).join(" + ");
  return (
    <header class="bar">
      <div class="name">
        <h1>{index.title}</h1>
        <p>
          {index.title === index.model ? "" : `${index.model} · `}
          {units} · {plural(index.layers.length, "layer")} · {plural(heads, "head")}
        </p>
      </div>
      <div class="controls">
        <Inputs />
        <Sinks />
        <Choice
          name="theme"
          label="Colours"
          value={theme.value}
          options={[
            ["auto", "system"],
            ["light", "light"],
            ["dark", "dark"],
          ]}
          set={(value) => {
            theme.value = value as Theme;
          }}
        />
      </div>
    </header>
  );
}

function Unseen() {
  if (!index.unseen.length) return null;
  return (
    <section class="unseen" role="alert" aria-label="Attention that could not be seen">
      <h2>{plural(index.unseen.length, "module")} of this model attended without being seen: this report is incomplete</h2>
      <ul>
        {index.unseen.map(([name, why]) => (
          <li key={name}>
            <code>{name}</code>: {why}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Notes() {
  const without = typeof index.without === "string" && hiding.value ? [`Heads are ranked with sinks: ${index.without}`] : [];
  const notes = [...index.notes, ...without];
  return (
    <footer class="notes">
      <p>
        <b>What this can and cannot say.</b> {index.limits}
      </p>
      <p class="small">
        {notes.map((note) => `${note} `)}Largest error of a number here: {index.precision || "none"}.{" "}
        {Object.entries(index.about)
          .map(([name, value]) => `${name} ${value}`)
          .join(", ")}
      </p>
    </footer>
  );
}

function Page() {
  if (!index.layers.length) {
    return (
      <>
        <Bar />
        <Unseen />
        <p class="missing">No attention was seen: there is nothing to show.</p>
        <Notes />
      </>
    );
  }
  return (
    <>
      <Bar />
      <Unseen />
      <main>
        <Heads />
        <div class="centre">
          <Texts />
          <Reads />
        </div>
        <div class="right">
          <HeadMap />
          <Scatter />
        </div>
      </main>
      <p class="status" role="status">
        {spoken.value || "Point at a unit, a head or a cell to read it here; Tab moves between panels, arrow keys inside one."}
      </p>
      <Notes />
    </>
  );
}

async function start(): Promise<void> {
  const root = document.getElementById("page")!;
  if (typeof DecompressionStream === "undefined") {
    root.textContent = "This browser is too old for this report: it needs Chrome 80, Firefox 113, Safari 16.4, or later.";
    return;
  }
  await open(0);
  render(<Page />, root);
  // two frames later it is on the screen
  requestAnimationFrame(() =>
    requestAnimationFrame(() => {
      performance.mark("painted");
      void rest(0).then(() => {
        document.documentElement.dataset.ready = `${whole(streams.value?.length ?? 0)}`;
      });
    }),
  );
}

void start();
