"""Explanations where the truth is known: does a method put most weight on the tokens that decide by construction?

    python -m benchmarks.planted [--cases 1000] [--smoke]

Three tasks in which one or two cue tokens among 14 to 24 decide, each solved by a BiLSTM with attention pooling and by
a transformer (trained here, in seconds, until they make no mistakes), and a model made by hand whose last attention
lies three places from the cue. A case is found when the heaviest tokens are those that decide, all of them and no
other. Only inputs that the model answers right with a probability of .9 at least are cases. The best method is chosen
by comprehensiveness less sufficiency, on 20 other inputs, without looking at the truth.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from benchmarks import record
from benchmarks.harness import Goal, Report
from benchmarks.planted_models import CORES, STEPS, LooksAway, classifier_question, looks_away_question, solved
from benchmarks.planted_tasks import TASKS, Planted
from regard.lens.explain import weigh
from regard.lens.faithfulness import QUICK, choose, measure
from regard.lens.methods import METHODS
from regard.lens.question import Question

CHOSEN_ON = 20
LEAST = 0.9
RAW, FOUND = "last attention", 0.95

Case = tuple[Question, tuple[int, ...]]


@dataclass(frozen=True)
class Solver:
    """A model of a task, and how it is asked."""

    task: Planted
    core: str
    accuracy: float
    ask: Callable[[Any, int], Question]

    def cases(self, count: int, *, seed: int) -> list[Case]:
        """Questions whose answer is right and sure, with their truths."""
        found: list[Case] = []
        for ids, label, truth in self.task.cases(2 * count, seed=seed):
            question = self.ask(ids, label)
            if question.probability >= LEAST:
                found.append((question, truth))
            if len(found) == count:
                return found
        raise SystemExit(f"{self.task.name}, {self.core}: of {2 * count} inputs only {len(found)} are answered surely")


def solvers(*, steps: int) -> list[Solver]:
    made = []
    for task in TASKS:
        for core in CORES:
            model, accuracy = solved(task, core, steps=steps)
            print(f"  {task.name}, {core}: accuracy {accuracy:.4f}", flush=True)
            made.append(Solver(task, core, accuracy, _asker(classifier_question, model, task)))
    made.append(Solver(TASKS[0], "by hand, looks away", 1.0, _asker(looks_away_question, LooksAway().eval(), TASKS[0])))
    return made


def _asker(question: Callable[..., Question], model: Any, task: Planted) -> Callable[[Any, int], Question]:
    return lambda ids, label: question(model, ids, label, task.labels)


def methods(question: Question) -> list[str]:
    """Those that this model allows."""
    return [method.name for method in METHODS if method.missing(question) is None]


def hit(weights: torch.Tensor, truth: Sequence[int]) -> bool:
    """Whether the heaviest units are those of the truth, and heavier than all others."""
    order = torch.argsort(weights, descending=True, stable=True)
    apart = bool(weights[order[len(truth) - 1]] > weights[order[len(truth)]])
    return apart and set(order[: len(truth)].tolist()) == set(truth)


def best_method(cases: Sequence[Case]) -> str:
    """Chosen by measured faithfulness; the truths are not looked at."""
    names = methods(cases[0][0])
    measured = [
        measure(question, {name: weigh(question, name).weights for name in names}, metrics=QUICK, seed=place)
        for place, (question, _) in enumerate(cases)
    ]
    return choose(measured).name


def row(solver: Solver, count: int) -> dict[str, Any]:
    """How many of the cases each method finds."""
    best = best_method(solver.cases(CHOSEN_ON, seed=1))
    cases = solver.cases(count, seed=2)
    names = methods(cases[0][0])
    found = {name: sum(hit(weigh(question, name).weights, truth) for question, truth in cases) for name in names}
    chance = float(np.mean([1 / _ways(len(question.units), len(truth)) for question, truth in cases]))
    told = ", ".join(f"{name} {hits / count:.3f}" for name, hits in found.items())
    print(f"  {solver.task.name}, {solver.core} ({count} cases; best: {best}): {told}", flush=True)
    return {"task": solver.task.name, "about": solver.task.about, "model": solver.core, "accuracy": solver.accuracy,
            "cases": count, "best": best, "found": found, "chance": chance}  # fmt: skip


def _ways(units: int, places: int) -> int:
    """How many sets of so many places there are."""
    return units if places == 1 else units * (units - 1) // 2


def main() -> int:
    made = record.parser(__doc__)
    made.add_argument("--cases", type=int, default=1000)
    given = made.parse_args()
    rounds, folder = record.started(given)
    total = 70 if given.smoke else given.cases
    all_solvers = solvers(steps=1500 if given.smoke else STEPS)
    share, more = divmod(total, len(all_solvers))
    rows = [row(solver, share + (place < more)) for place, solver in enumerate(all_solvers)]
    report = Report("planted")
    cases = sum(one["cases"] for one in rows)
    missed = 1 - sum(one["found"][one["best"]] for one in rows) / cases
    report.goals.append(Goal(f"planted truths that the best method misses, of {cases:,}", missed, 1 - FOUND))
    return record.finish(report, rounds, folder, more={"planted": rows})


if __name__ == "__main__":
    sys.exit(main())
