"""The table of tasks: what beats what, which bars are met, and runs of other settings, by values one can compute."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import task_tables
from benchmarks.record import RESULTS
from benchmarks.task_cases import CASES, Bar, Case
from benchmarks.tasks import barred, row_of, score_row, settings_of, words_of
from regard.spec.errors import RunError
from regard.tasks.catalogue import TASKS
from regard.tasks.scores.metric import Better, Metric
from regard.tasks.settings import plain
from regard.tasks.task import task_named
from regard.train.result import BaselineResult, Result


def metric(value: float, name: str = "accuracy", *, half: float = 0.01, better: Better = "higher") -> Metric:
    return Metric(name, value, value - half, value + half, 100, "part:test", better)


def run(mine: Metric, *others: tuple[str, Metric, Metric]) -> Result:
    """A run of one score, beside baselines of (name, score, paired gain)."""
    baselines = tuple(BaselineResult(name, (score,), gain) for name, score, gain in others)
    return Result(Path("run"), "done", (mine,), baselines, {}, {"epochs": 2}, {"padding": 0.125})


def standing(*runs: tuple[float, float, float], better: Better = "higher") -> str:
    """Of runs of (own score, the baseline's, the paired gain), all with intervals of ± .01."""
    found = [
        run(metric(mine, better=better), ("usual", metric(other, better=better), metric(gain, "gain")))
        for mine, other, gain in runs
    ]
    said: str = score_row(found, 0)["standing"]
    return said


def test_better_is_apart_only_where_every_seed_is() -> None:
    assert standing((0.93, 0.90, 0.03), (0.95, 0.90, 0.05)) == "apart"
    assert standing((0.93, 0.90, 0.03), (0.915, 0.90, 0.015)) == "ahead"  # one overlaps; both gains are above 0
    assert standing((0.93, 0.90, 0.03), (0.905, 0.90, 0.005)) == "level"  # the second gain's interval holds 0


def test_worse_is_said_whichever_way_the_score_points() -> None:
    assert standing((0.87, 0.90, -0.03)) == "behind"
    assert standing((0.885, 0.90, -0.015)) == "behind"  # they overlap, but the paired gain is below 0
    assert standing((0.87, 0.90, 0.03), better="lower") == "apart"
    assert standing((0.93, 0.90, -0.03), better="lower") == "behind"


def test_the_baseline_beside_a_score_is_the_best_one() -> None:
    gain = metric(0.0, "gain")
    high = run(metric(0.9), ("poor", metric(0.5), gain), ("good", metric(0.8), gain))
    low = run(
        metric(0.9, better="lower"),
        ("good", metric(0.5, better="lower"), gain),
        ("poor", metric(0.8, better="lower"), gain),
    )
    assert score_row([high], 0)["baseline"] == {"name": "good", "value": 0.8, "low": 0.79, "high": 0.81}
    assert score_row([low], 0)["baseline"]["name"] == "good"
    assert score_row([high, run(metric(0.8), *_same(high))], 0)["mean"] == pytest.approx(0.85)


def _same(found: Result) -> list[tuple[str, Metric, Metric]]:
    return [(one.name, one.scores[0], one.gain) for one in found.baselines]


def test_a_bar_is_of_the_mean_over_seeds() -> None:
    bar = Bar("at least .9", "accuracy", 0.9)
    assert barred(bar, [run(metric(0.88)), run(metric(0.92))])["met"]
    assert not barred(bar, [run(metric(0.88)), run(metric(0.90))])["met"]
    gain = metric(0.0, "gain")
    found = [run(metric(25.0, "BLEU"), ("the nearest", metric(20.0, "BLEU"), gain))]
    assert barred(Bar("5 above", "BLEU", 5.0, baseline="nearest"), found) == {
        "text": "5 above", "score": "BLEU", "limit": 25.0, "mean": 25.0, "met": True,
    }  # fmt: skip
    assert not barred(Bar("more than 5 above", "BLEU", 5.0, baseline="nearest", strictly=True), found)["met"]


def test_a_bar_that_is_not_to_be_passed_from_below() -> None:
    naive = ("naive", metric(0.5, "MASE", better="lower"), metric(0.0, "gain"))
    level = [run(metric(0.5, "MASE", better="lower"), naive)]
    below = Bar("below", "MASE", baseline="naive", strictly=True)
    assert barred(Bar("not above", "MASE", baseline="naive"), level)["met"]
    assert not barred(below, level)["met"]
    assert barred(below, [run(metric(0.4, "MASE", better="lower"), naive)])["met"]
    assert not barred(below, [run(metric(0.6, "MASE", better="lower"), naive)])["met"]


CASE = Case("tiny", "images", "digits", ("train.epochs=2",), init="begun", seeds=2, note="a note")


def written(folder: Path, case: Case, seed: int, value: float) -> None:
    """A finished run's files, as far as the table reads them."""
    out = folder / f"{case.name}-{seed}"
    out.mkdir(parents=True)
    (out / "config.json").write_text(json.dumps({"asked": plain(settings_of(case, seed))}))
    usual = {"name": "usual", "scores": [metric(0.5).plain()], "gain": metric(value - 0.5, "gain").plain()}
    told = {"scores": [metric(value).plain()], "baselines": [usual], "attention": {"breadth": None, "focus": None}}
    costs = {"training": {"epochs": 2}, "cost": {"padding": 0.125}}
    (out / "metrics.json").write_text(json.dumps(told | costs))
    spent = {"cpu_seconds": 60.0 * (seed + 1), "peak_mb": 300 + seed, "commit": "abc"}
    (folder / f"{case.name}-{seed}.spent.json").write_text(json.dumps(spent))


def test_a_row_is_read_from_finished_runs(tmp_path: Path) -> None:
    for seed, value in enumerate((0.75, 0.25)):
        written(tmp_path, CASE, seed, value)
    row = row_of(CASE, (0, 1), tmp_path)
    assert row["command"] == "regard train images --core digits --set train.epochs=2 --init runs/begun-0"
    assert [one[0] for one in row["scores"][0]["each"]] == [0.75, 0.25]
    assert row["scores"][0]["mean"] == 0.5
    assert row["scores"][0]["standing"] == "level"
    assert row["cpu_minutes"] == [1.0, 2.0]
    assert row["peak_mb"] == 301


def test_a_run_of_other_settings_is_no_row(tmp_path: Path) -> None:
    written(tmp_path, CASE, 0, 0.75)
    longer = Case("tiny", "images", "digits", ("train.epochs=3",))
    with pytest.raises(RunError, match=r"trained with other settings \(train.epochs: 2 .*3"):
        row_of(longer, (0,), tmp_path)


def test_every_case_is_a_command_that_the_tasks_take() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    names = [case.name for case in CASES]
    for case in CASES:
        settings_of(case, 0)
        assert case.init is None or names.index(case.init) < names.index(case.name)
    assert words_of(CASE, 1, Path("r"))[-4:] == ["--init", "r/begun-0", "--seed", "1"]


def table(**changes: Any) -> list[str]:
    score = {
        "name": "MASE", "better": "lower", "rows": 9, "protocol": "part:test", "mean": 0.45, "gains": [],
        "each": [[0.4, 0.39, 0.41], [0.5, 0.49, 0.51]], "standing": "apart",
        "baseline": {"name": "naive", "value": 12.0, "low": 11.5, "high": 12.5},
    }  # fmt: skip
    bar = {"text": "below naive", "score": "MASE", "limit": 12.0, "mean": 0.45, "met": True}
    row = {"command": "regard train x", "scores": [score | changes], "bars": [bar | changes], "note": "tried y"}
    row |= {"cpu_minutes": [1.25, 3.2], "commits": ["abc"], "padding": 0.0}
    result = {"tasks": [row], "date": "2026-01-02", "machine": {"cpu": "a cpu"}}
    versions = {"python": "3", "torch": "2", "regard": "later"}
    more = {"versions": versions, "missing": ["regard train z"]}
    return ["\n".join(rows) for rows in task_tables.tasks(result | more)]


def test_a_row_of_the_table() -> None:
    source, rows, notes, missing, protocols = table()
    assert rows.splitlines()[2] == (
        "| `regard train x` | MASE (lower is better) | **0.4500** | 0.4000 (0.390 to 0.410); 0.5000 (0.490 to 0.510) "
        "| naive 12.00 (11.5 to 12.5) | better, intervals apart | below naive: met | 1.2, 3.2 |"
    )
    assert "a cpu" in source
    assert source.endswith("regard abc.")
    assert notes == "- `regard train x`: tried y"
    assert missing == "Not measured yet: `regard train z`."
    assert protocols.endswith("- `regard train x`, MASE: `part:test`")


def test_what_is_missed_or_worse_stands_out() -> None:
    rows = table(standing="behind", met=False)[1]
    assert "| **worse** | below naive: **missed** |" in rows
    assert "**not told apart**" in table(standing="level")[1]


def test_minutes_on_two_cores_are_of_the_slowest_seed() -> None:
    assert task_tables.takes({"cpu_minutes": [8.0, 4.8]}).startswith("about 5 minutes on two cores")
    assert task_tables.takes({"cpu_minutes": [1.6]}).startswith("about 1 minute on two cores")
    assert task_tables.takes({"cpu_minutes": [1.1]}).startswith("less than a minute on two cores")


def test_the_task_table_says_what_was_measured() -> None:
    """Of every task whose default command stands in the results: how long it takes is what they come to."""
    rows = {row["name"]: row for row in json.loads((RESULTS / "tasks.json").read_text("utf-8"))["tasks"]}
    plain_cases = {case.task: case.name for case in reversed(CASES) if not case.changes and case.init is None}
    for task, name in plain_cases.items():
        known, default = task_named(task, TASKS), settings_of(next(c for c in CASES if c.name == name), 0)
        if name in rows and known.settings() == default:
            assert known.takes == task_tables.takes(rows[name]), task
