// The four steps of attention with every number: on a sentence, or on numbers of one's own.
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Choice } from "../src/choice";
import { Answered } from "./answered";
import { words } from "./language";
import type { Matrix, Walked } from "./learn-shapes";
import { Sheet } from "./sheet";
import { Save } from "./save";
import { figure } from "./sizes";
import { Trouble } from "./trouble";
import { Told } from "./told";

const SCORES = ["ScaledDot()", "Dot()", "Cosine(10.0)", "ScaledDot(softcap=2.0)"];
const EXAMPLES = ["apples", "cat-dog-pig", "half"];

const way = signal<"words" | "numbers">("words");
const sentence = signal("我 喜欢 吃 苹果");
const score = signal(SCORES[0]);
const numbers = signal({ query: "1 0\n0 1", keys: "1 0\n0 1\n1 1", values: "1 2\n3 4\n5 6" });
const walked = new Answered<Walked>("/api/learn/walk");

/** Rows of numbers, apart by spaces or commas. */
const matrix = (text: string): Matrix =>
  text
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/[\s,;，；]+/).map(Number));

function ask(): void {
  const chosen = score.value === SCORES[0] ? {} : { score: score.value };
  if (way.value === "numbers") {
    const { query, keys, values } = numbers.value;
    void walked.ask({ query: matrix(query), keys: matrix(keys), values: matrix(values), ...chosen });
    return;
  }
  const parts = sentence.value.trim().split(/\s+/).filter(Boolean);
  // a script that writes no spaces is read sign by sign
  const alone = parts.length === 1 && /^[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+$/.test(parts[0]);
  void walked.ask({ words: alone ? Array.from(parts[0]) : parts, ...chosen });
}

export function Walks() {
  const w = words.value.learn;
  const body = useRef<HTMLElement>(null);
  const found = walked.value.value;
  useEffect(() => {
    if (!walked.value.peek()) ask();
  }, []);
  return (
    <section class="panel lesson" aria-label={w.steps} ref={body}>
      <header>
        <h2>{w.steps}</h2>
      </header>
      <p class="legend">{w.stepsAbout}</p>
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault();
          ask();
        }}
      >
        <Choice
          name="walk-way"
          label={w.on}
          value={way.value}
          options={[
            ["words", w.words],
            ["numbers", w.numbers],
          ]}
          set={(value) => {
            way.value = value as "words" | "numbers";
          }}
        />
        {way.value === "words" ? (
          <label class="field grow">
            {w.sentence}
            <input
              type="text"
              value={sentence.value}
              onInput={(event) => {
                sentence.value = event.currentTarget.value;
              }}
            />
          </label>
        ) : (
          (["query", "keys", "values"] as const).map((name) => (
            <label class="field" key={name}>
              {w.matrices[name]}
              <textarea
                rows={3}
                class="numbers"
                spellcheck={false}
                value={numbers.value[name]}
                onInput={(event) => {
                  numbers.value = { ...numbers.value, [name]: event.currentTarget.value };
                }}
              />
            </label>
          ))
        )}
        <label class="field">
          {w.score}
          <select
            value={score.value}
            onChange={(event) => {
              score.value = event.currentTarget.value;
            }}
          >
            {SCORES.map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </label>
        <button type="submit" class="primary">
          {w.walk}
        </button>
        <span class="examples">
          {EXAMPLES.map((each) => (
            <button type="button" class="plain link" key={each} onClick={() => void walked.ask({ example: each })}>
              {w.examples[each] ?? each}
            </button>
          ))}
        </span>
      </form>
      {walked.wrong.value && <Trouble wrong={walked.wrong.value} />}
      {found && <Steps of={found} />}
      {found && <Save name="regard-walk" command={found.command} of={{ value: found, element: () => body.current }} />}
    </section>
  );
}

function Steps({ of }: { of: Walked }) {
  const w = words.value.learn;
  const sums = of.weights.map((row) => row.reduce((sum, each) => sum + each, 0));
  const places = (count: number, letter: string) => Array.from({ length: count }, (_, place) => `${letter}${place + 1}`);
  const given = of.shared ? [["x = q = k = v", of.key_names, of.key] as const] : [
    ["q", of.query_names, of.query] as const,
    ["k", of.key_names, of.key] as const,
    ["v", of.key_names, of.value] as const,
  ];
  return (
    <ol class="steps">
      <li>
        <h3>{w.given}</h3>
        <div class="sheets">
          {given.map(([name, names, rows]) => (
            <Sheet key={name} name={name} rows={names} cols={places(rows[0]?.length ?? 0, "")} values={rows} />
          ))}
        </div>
      </li>
      <li>
        <h3>{w.step1}</h3>
        <p class="legend">{w.step1About}</p>
        <code class="formula">{of.formula}</code>
        <Sheet name={w.scores} rows={of.query_names} cols={of.key_names} values={of.scores} shade />
      </li>
      <li>
        <h3>{w.step2}</h3>
        <p class="legend">{w.step2About}</p>
        <code class="formula">weight(i, j) = exp(score(i, j)) / Σ exp(score(i, l))</code>
        <Sheet name={w.weights} rows={of.query_names} cols={of.key_names} values={of.weights} sums={sums} shade from={0} />
      </li>
      <li>
        <h3>{w.step3}</h3>
        <p class="legend">{w.step3About}</p>
        <code class="formula">cᵢ = Σ weight(i, j) · vⱼ</code>
        <Sheet name={w.context} rows={of.query_names} cols={places(of.context[0]?.length ?? 0, "c")} values={of.context} />
      </li>
      {of.output && (
        <li>
          <h3>{w.step4}</h3>
          <p class="legend">{w.step4About}</p>
          <code class="formula">yᵢ = xᵢ + cᵢ</code>
          <Sheet name={w.output} rows={of.query_names} cols={places(of.output[0]?.length ?? 0, "y")} values={of.output} />
        </li>
      )}
      <li class="after">
        {[...of.notes, ...of.remarks].map((note) => (
          <p class="legend" key={note}>
            <Told text={note} />
          </p>
        ))}
        <p class="legend">{w.difference(figure(of.difference))}</p>
      </li>
    </ol>
  );
}
