"""The sentiment transformer with its tokens pruned to half: accuracy lost, and time saved.

    python -m benchmarks.pruning [--seeds 3] [--runs FOLDER] [--only accuracy|time] [--rounds 21] [--smoke]

Trains, for each seed, the transformer of `benchmarks.training` and the same under `--budget 0.5`; a run that is in
FOLDER already is not trained again. On the 5,000 test reviews, which no training saw: accuracy of the whole model, of
the whole model pruned only now, and of the one that was trained pruned; differences are paired, review by review. Time:
1,000 of those reviews (every fifth), the two models in turns, batches of 64 in order of length, as `regard evaluate`
runs them; from token ids to answers, and from text to answers (with the tokenizer, which pruning does not touch).

Half is the mean share of a review's tokens that the encoder's layers process. `--smoke`: 400 training reviews, one
epoch, one seed, to results/smoke. `--only` leaves the other part of the JSON as it is.
"""

from __future__ import annotations

import copy
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks import record
from benchmarks.harness import Case, GateError, Goal, Report, Results, Rounds, relative_error, summary, take_turns
from benchmarks.training import CASES
from regard.tasks.batches import TextBatch, in_order_of_length
from regard.tasks.event import unheard
from regard.tasks.scores.classes import Classes, accuracy
from regard.tasks.scores.metric import Metric
from regard.tasks.task import Prepared
from regard.tasks.text_classifier import processed_share
from regard.train.run import Run, load_run

NAME, BUDGET = "sentiment-transformer", 0.5
WHOLE, NOW, TRAINED = "whole", "pruned to half now", "trained pruned to half"
LOST, SAVED = 0.005, 0.7  # accuracy that may be lost; the share of the time that may be left
BATCH, EVERY, GATED = 64, 5, 64
TOLERANCE = 1e-2  # of the gate: among nearly equal tokens float64 may choose another
SMOKE = ["--epochs", "1", "--set", "data.train_rows=400", "--set", "data.test_rows=400"]


@dataclass(frozen=True)
class HeldOut:
    """The test part: its texts, and what a model gets of them."""

    texts: tuple[str, ...]
    data: Prepared

    @classmethod
    def of(cls, run: Run) -> HeldOut:
        data = run.task.prepare(run.settings, run.setup.kept, unheard)
        return cls(tuple(row.text for row in data.rows.test), data)

    def batches(self, rows: np.ndarray) -> list[TextBatch]:
        """These rows in batches, shortest texts first."""
        part = self.data.test
        return [part.batch(rows[places]) for places in in_order_of_length(part.lengths[rows], BATCH)]

    def answers(self, model: nn.Module) -> Classes:
        """The class that a model answers for every row."""
        part, found = self.data.test, np.empty(len(self.data.test), dtype=np.int64)
        for rows in in_order_of_length(part.lengths, BATCH):
            batch = part.batch(rows)
            with torch.inference_mode():
                found[rows] = model(batch.ids, batch.lengths)[0].argmax(-1).numpy()
        return found


def trained(folder: Path, seed: int, *, more: list[str]) -> Path:
    """The folder of one seed's run, trained now unless it is there."""
    out = folder / "-".join([NAME, *(["budget0.5"] if "--budget" in more else []), f"seed{seed}"])
    command = [sys.executable, "-m", "regard", "train", *CASES[NAME], "--seed", str(seed), "--out", str(out), *more]
    print("  " + " ".join(command[1:]), flush=True)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return out


def models(folder: Path, seed: int, more: list[str]) -> dict[str, Run]:
    """The three ways to read a review, of one seed."""
    whole = trained(folder, seed, more=more)
    pruned = trained(folder, seed, more=["--budget", str(BUDGET), *more])
    return {WHOLE: load_run(whole), NOW: load_run(whole, budget=BUDGET), TRAINED: load_run(pruned)}


def compared(seed: int, runs: dict[str, Run], test: HeldOut) -> list[dict[str, Any]]:
    """Accuracy of each way, and beside it what it gains (a loss is below 0) over the whole model, row by row."""
    targets, protocol = test.data.test.targets, f"part:test|seed:{seed}"
    answers = {way: test.answers(run.model) for way, run in runs.items()}
    rows = []
    for way, run in runs.items():
        score = accuracy(answers[way], targets, protocol=protocol)
        apart = accuracy.gain(answers[way], answers[WHOLE], targets, protocol=protocol)
        share = processed_share(run.settings.core, torch.from_numpy(test.data.test.lengths))
        print(f"  seed {seed}, {way}: {score}; over whole {apart.value:+.4f}; tokens {share:.3f}", flush=True)
        rows.append({"way": way, "seed": seed, "processed": share, **_plain(score, "")} | _plain(apart, "gain_"))
    return rows


def timed(runs: dict[str, Run], test: HeldOut, rounds: Rounds) -> list[dict[str, Any]]:
    """Seconds of 1,000 reviews, the whole model and the pruned one in turns; ids to answers, and text to answers."""
    rows = np.arange(0, len(test.texts), EVERY)
    batches, texts = test.batches(rows), [test.texts[row] for row in rows]
    pair = {WHOLE: runs[WHOLE], TRAINED: runs[TRAINED]}
    errors = {way: gated(way, run.model, batches[len(batches) // 2]) for way, run in pair.items()}
    from_ids = {way: _over(run.model, batches) for way, run in pair.items()}
    from_text = {way: _reading(run, texts) for way, run in pair.items()}
    return [
        _row(f"{len(rows):,} reviews, {what}", peers, errors, rounds)
        for what, peers in (("token ids to answers", from_ids), ("text to answers", from_text))
    ]


def gated(way: str, model: nn.Module, batch: TextBatch) -> float:
    """The largest error of a batch's logits against the same model in float64.

    Raises:
        GateError: it is above the tolerance.
    """
    wide = copy.deepcopy(model).double()
    with torch.inference_mode():
        here, there = (each(batch.ids[:GATED], batch.lengths[:GATED])[0] for each in (model, wide))
    error = relative_error((here,), (there,))
    if error > TOLERANCE:
        raise GateError(f"{way}: logits are off by {error:.1e}, more than {TOLERANCE:.0e}")
    return error


def _row(
    name: str, peers: dict[str, Callable[[], Results]], errors: dict[str, float], rounds: Rounds
) -> dict[str, Any]:
    case = Case(name=name, peers=peers, against=WHOLE, truth=tuple, tolerance=TOLERANCE)  # gated above, model by model
    found = summary(take_turns(case, rounds), WHOLE)
    print(f"  {name}", flush=True)
    for way, row in found.items():
        row["error"] = errors[way]
        print(f"    {way:40} {row['median_s']:8.3f} s  x {row['ratio']:.3f}", flush=True)
    return {"name": name, "against": WHOLE, "tolerance": TOLERANCE, "calls": 1, "rounds": rounds.kept, "peers": found}


def _over(model: nn.Module, batches: list[TextBatch]) -> Callable[[], Results]:
    def run() -> Results:
        with torch.inference_mode():
            return tuple(model(batch.ids, batch.lengths)[0] for batch in batches)

    return run


def _reading(run: Run, texts: list[str]) -> Callable[[], Results]:
    def read() -> Results:
        run.predict(texts)
        return ()

    return read


def _plain(metric: Metric, prefix: str) -> dict[str, float]:
    return {f"{prefix}{name}": getattr(metric, name) for name in ("value", "low", "high")}


def goals(report: Report, rows: list[dict[str, Any]]) -> None:
    """What was promised: at most half a point lost, at least 30 % of the time saved."""
    for way in (NOW, TRAINED):
        lost = [-row["gain_value"] * 100 for row in rows if row["way"] == way]
        if lost:
            text = f"accuracy lost, {way}, mean of {len(lost)} seeds"
            report.goals.append(Goal(text, statistics.mean(lost), LOST * 100, "points"))
    for case in report.cases[:1]:
        left = report.ratio(case["name"], TRAINED)
        report.goals.append(Goal(f"time left, {TRAINED}, {case['name']}", left, SAVED))


def main() -> int:
    parser = record.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=Path("runs/benchmarks"))
    parser.add_argument("--only", choices=("accuracy", "time"))
    given = parser.parse_args()
    rounds, folder = record.started(given)
    more, runs_folder = (SMOKE, given.runs / "smoke") if given.smoke else ([], given.runs)
    path = folder / "pruning.json"
    before = json.loads(path.read_text("utf-8")) if given.only and path.exists() else {}
    report, test = Report("pruning", cases=before.get("cases", [])), None
    rows = before.get("accuracy", []) if given.only == "time" else []
    for seed in range(1 if given.smoke or given.only == "time" else given.seeds):
        runs = models(runs_folder, seed, more)
        test = test or HeldOut.of(runs[WHOLE])  # its parts hang on the data's own seed, so that they are every run's
        if given.only != "time":
            rows += compared(seed, runs, test)
        if given.only != "accuracy" and seed == 0:
            report.cases = timed(runs, test, rounds)
    goals(report, rows)
    code = record.finish(report, rounds, folder)
    found = json.loads(path.read_text("utf-8")) | {"accuracy": rows}
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
