// The studio: five rooms, one input that all of them share, and a line at the foot that says what is pointed at.
import { signal } from "@preact/signals";
import { render } from "preact";
import { Choice } from "../src/choice";
import { type Theme, theme } from "../src/theme";
import { get, token, wrongOf } from "./api";
import { findSubjects } from "./asking";
import { keep, kept } from "./kept";
import { type Language, language, words } from "./language";
import { Learn } from "./learn";
import { Look, comparing, looking } from "./look";
import { enter, opened, type Room, room, ROOMS, spoken } from "./rooms";
import type { About, Wrong } from "./shapes";
import { Spend, spending } from "./spend";
import { Train } from "./train";
import { training } from "./training";
import { Trouble } from "./trouble";
import { explaining, findMethods, Why } from "./why";

const about = signal<About | null>(null);
const wrong = signal<Wrong | null>(null);
const touring = signal(kept("tour") !== "seen");
const views: Record<Room, () => preact.JSX.Element> = { look: Look, why: Why, spend: Spend, train: Train, learn: Learn };

const busy = (name: Room): boolean =>
  ({
    look: looking.busy || comparing.busy,
    why: explaining.busy,
    spend: spending.busy,
    train: training.busy,
    learn: false,
  })[name];

function Bar() {
  const w = words.value;
  return (
    <header class="bar">
      <p class="brand">
        <b>regard</b> studio
      </p>
      <nav aria-label={w.rooms.title}>
        {ROOMS.map((name) => (
          <a
            key={name}
            href={`#${name}`}
            aria-current={room.value === name ? "page" : undefined}
            onClick={(event) => {
              event.preventDefault();
              enter(name);
            }}
          >
            {w.rooms.names[name]}
            {busy(name) && (
              <i class="busy" role="img" aria-label={w.trouble.working} />
            )}
          </a>
        ))}
      </nav>
      <div class="controls">
        <Choice
          name="language"
          label={w.shell.language}
          value={language.value}
          options={[
            ["en", "EN"],
            ["zh", "中文"],
          ]}
          set={(value) => {
            language.value = value as Language;
          }}
        />
        <Choice
          name="theme"
          label={w.shell.colours}
          value={theme.value}
          options={[
            ["auto", w.shell.auto],
            ["light", w.shell.light],
            ["dark", w.shell.dark],
          ]}
          set={(value) => {
            theme.value = value as Theme;
            keep("theme", value);
          }}
        />
      </div>
    </header>
  );
}

/** Three sentences at first use. */
function Tour() {
  const w = words.value.tour;
  if (!touring.value) return null;
  return (
    <section class="tour" aria-label={w.title}>
      <ol>
        {w.sentences.map((sentence) => (
          <li key={sentence}>{sentence}</li>
        ))}
      </ol>
      <button
        type="button"
        class="primary"
        onClick={() => {
          touring.value = false;
          keep("tour", "seen");
          document.getElementById("main")?.focus();
        }}
      >
        {w.seen}
      </button>
    </section>
  );
}

function Page() {
  const w = words.value;
  return (
    <>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          document.getElementById("main")?.focus();
        }}
      >
        {w.shell.skip}
      </a>
      <Bar />
      <main id="main" tabIndex={-1}>
        <Tour />
        {wrong.value && <Trouble wrong={wrong.value} again={() => void begin()} />}
        {ROOMS.filter((name) => opened.value.has(name)).map((name) => {
          const View = views[name];
          return (
            <div key={name} hidden={room.value !== name} data-room={name}>
              <header class="intro">
                <h1>{w.rooms.names[name]}</h1>
                <p>{w.rooms.about[name]}</p>
              </header>
              <View />
            </div>
          );
        })}
      </main>
      <footer class={spoken.value ? "status" : "status idle"}>
        <p role="status">{spoken.value || w.shell.point}</p>
        <p class="quiet">{about.value ? `regard ${about.value.version} · ${w.shell.local}` : ""}</p>
      </footer>
    </>
  );
}

async function begin(): Promise<void> {
  if (!token) {
    wrong.value = { what: words.value.shell.noToken, where: "", do: words.value.shell.noTokenDo };
    return;
  }
  try {
    about.value = await get<About>("/api/about");
    wrong.value = null;
  } catch (error) {
    wrong.value = wrongOf(error);
    return;
  }
  if (!kept("spoken") && about.value.language === "zh") language.value = "zh";
  keep("spoken", "yes");
  await Promise.all([findSubjects(), findMethods()]);
  document.documentElement.dataset.ready = "yes";
}

const before = kept("theme");
if (before === "light" || before === "dark") theme.value = before;
const root = document.getElementById("page")!;
root.textContent = "";
render(<Page />, root);
void begin();
