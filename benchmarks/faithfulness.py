"""How faithful each method's explanations are: all methods, metrics and baselines, on four models.

    python -m benchmarks.faithfulness [--runs FOLDER] [--only bilstm,transformer,splice,minilm] [--share 1.0] [--smoke]

For inputs that the model was not trained on, each explained for the model's own answer: comprehensiveness, sufficiency,
deletion, insertion and the leave-one-out correlation of every method, beside random order (the mean of five draws),
position and reverse order, under two or three ways to take parts away. Intervals are over inputs; differences from
random order are paired. On a few inputs of each model: how far an explanation stays the same when the model's layers
lose what they learned. Models that are not in FOLDER are trained first.

An interrupted run goes on where it stopped: each input is written to `faithfulness.partial` as it is done. `--share`:
of the inputs. No times are taken: it may run beside other work.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from benchmarks import record
from benchmarks.faithfulness_models import SUBJECTS, Ask, Subject, copied
from benchmarks.harness import Report
from regard.lens.explain import weigh
from regard.lens.faithfulness import (
    BASELINES,
    METRICS,
    Comprehensiveness,
    Deletion,
    Insertion,
    LeftOut,
    Measured,
    Sufficiency,
    ahead,
    average,
    choose,
    measure,
    randomised,
    won,
)
from regard.lens.methods import METHODS, Asking
from regard.lens.question import Question
from regard.spec.errors import RegardError

MEASURED = (Comprehensiveness(), Sufficiency(), Deletion(steps=10), Insertion(steps=10), LeftOut())
DRAWS, STEPS = 5, 32
assert [one.name for one in MEASURED] == [one.name for one in METRICS]


def explanations(question: Question) -> dict[str, np.ndarray]:
    """The weights of every method that the model allows; integrated gradients with a fixed number of steps."""
    asking, found = Asking(steps=STEPS), {}
    for method in METHODS:
        if method.missing(question) is None:
            try:
                found[method.name] = weigh(question, method.name, asking).weights.numpy()
            except RegardError as error:
                print(f"    {method.name}: {error}", flush=True)
    return found


def measured(subject: Subject, ways: int, partial: Path) -> list[dict[str, Any]]:
    """One row an input and way, those of an earlier run first."""
    done = [json.loads(line) for line in partial.read_text("utf-8").splitlines()] if partial.is_file() else []
    rows = [row for row in done if row["subject"] == subject.name]
    known = {row["input"] for row in rows}
    for place, ask in enumerate(subject.inputs):
        if place in known:
            continue
        began = time.process_time()
        fresh = list(_rows(subject.name, place, ask(subject.model), ways))
        rows += fresh
        with partial.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in fresh)
        took = time.process_time() - began
        print(f"  {subject.name}: {place + 1} of {len(subject.inputs)} inputs, {took:.1f} s of work", flush=True)
    return [row for row in rows if row["input"] < len(subject.inputs)]


def _rows(name: str, place: int, question: Question, ways: int) -> Iterator[dict[str, Any]]:
    weights = explanations(question)
    for way in list(question.ways)[:ways]:
        found = measure(question, weights, way=way, metrics=MEASURED, draws=DRAWS, seed=place)
        words = question.way(way).words
        yield {"subject": name, "input": place, "words": words, **vars(found)}


def summed_up(name: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each way, method (or baseline) and metric with its interval, and by how much it is ahead of random order."""
    found = []
    for way in dict.fromkeys(row["way"] for row in rows):
        these = [_back(row) for row in rows if row["way"] == way]
        words = next(row["words"] for row in rows if row["way"] == way)
        best = choose(these)
        # a method that failed on an input is told by the inputs that it answered
        for method in dict.fromkeys(method for one in these for method in one.values):
            some = [one for one in these if method in one.values]
            for metric in MEASURED:
                mean, gain = average(some, method, metric), ahead(some, method, metric)
                found.append({
                    "subject": name, "way": way, "words": words, "method": method, "metric": metric.name,
                    "better": metric.better, "inputs": mean.inputs, "value": mean.value, "low": mean.low,
                    "high": mean.high, "ahead": gain.value, "ahead_low": gain.low, "ahead_high": gain.high,
                    "won": won(some, method, metric), "best": method == best.name,
                    "baseline": method in BASELINES,
                })  # fmt: skip
    return found


def _back(row: dict[str, Any]) -> Measured:
    return Measured(**{name: row[name] for name in Measured.__dataclass_fields__})


def forgetting(subject: Subject, inputs: int) -> list[dict[str, Any]]:
    """The rank correlation of each explanation with the trained model's, layer by layer from the top; the mean over a
    few inputs."""
    names = list(explanations(subject.inputs[0](subject.model)))
    return [row for name in names for row in _forgetting(subject, name, inputs)]


def _forgetting(subject: Subject, method: str, inputs: int) -> list[dict[str, Any]]:
    def explainer(ask: Ask) -> Any:
        def explain(model: nn.Module) -> np.ndarray:
            return weigh(ask(model), method, Asking(steps=STEPS)).weights.numpy()

        return explain

    try:
        all_rows = [randomised(copied(subject.model), explainer(ask)) for ask in subject.inputs[:inputs]]
    except RegardError as error:
        print(f"    {subject.name}, {method}: {error}", flush=True)
        return []
    return [
        {"subject": subject.name, "method": method, "layer": same[0].layer, "inputs": len(same),
         "similar": float(np.mean([one.similar for one in same])),
         "magnitudes": float(np.mean([one.magnitudes for one in same]))}
        for same in zip(*all_rows, strict=True)
    ]  # fmt: skip


def main() -> int:
    made = record.parser(__doc__)
    made.add_argument("--runs", type=Path, default=Path("runs"))
    made.add_argument("--only", default=",".join(SUBJECTS))
    made.add_argument("--share", type=float, default=1.0)
    given = made.parse_args()
    rounds, folder = record.started(given)
    folder.mkdir(parents=True, exist_ok=True)
    partial, path = folder / "faithfulness.partial", folder / "faithfulness.json"
    table = {}
    for name in given.only.split(","):
        function, count, ways, forgets = SUBJECTS[name]
        count = 2 if given.smoke else max(1, round(count * given.share))
        subject = function(given.runs, count)
        rows = summed_up(subject.name, measured(subject, ways, partial))
        table[subject.name] = {
            "subject": subject.name,
            "what": subject.what,
            "rows": rows,
            "forgets": forgetting(subject, forgets),
        }
    before = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    kept = {row["subject"]: row for row in before.get("subjects", [])}
    more = {"subjects": list((kept | table).values()), "draws": DRAWS, "agreement": before.get("agreement", [])}
    code = record.finish(Report("faithfulness"), rounds, folder, more=more)
    partial.unlink(missing_ok=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
