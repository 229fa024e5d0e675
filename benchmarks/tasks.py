"""Train what the table of tasks in `docs/results.md` quotes: each by the command that a user types, beside baselines.

    python -m benchmarks.tasks [--only digits] [--runs FOLDER] [--seeds 1] [--read]

A run that is in FOLDER already is not trained again; one that was trained with other settings than its command stands
for now is refused by name. `--read` trains nothing. Writes results/tasks.json; the cases are in task_cases.py.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.record import RESULTS, commit, machine, versions
from benchmarks.task_cases import CASES, Bar, Case
from regard.app.asked import asked_settings
from regard.spec.errors import RunError
from regard.tasks.catalogue import TASKS
from regard.tasks.scores.metric import Metric
from regard.tasks.settings import Settings, changed, differences, settings_from
from regard.tasks.task import task_named
from regard.train.folder import RunFolder, read_json
from regard.train.result import BaselineResult, Result, read_result

_FREE = {"train.checkpoint_seconds": 0, "train.init": None}  # change no number, or name a folder


def settings_of(case: Case, seed: int) -> Settings:
    """The settings that the case's command stands for now."""
    task = task_named(case.task, TASKS)
    return asked_settings(task, core=case.core, typed={"train.seed": seed}, assignments=case.changes)


def words_of(case: Case, seed: int, runs: Path) -> list[str]:
    """What follows `regard train`."""
    start = [] if case.init is None else ["--init", str(runs / f"{case.init}-0")]
    return [*case.words, *start, "--seed", str(seed)]


def command_of(case: Case) -> str:
    """As a user types it, without a seed."""
    return "regard train " + " ".join(words_of(case, 0, Path("runs"))[:-2])


def train(case: Case, seed: int, runs: Path) -> None:
    """Trains one seed, and notes the processor time that it took beside its folder."""
    out, note = _places(case, seed, runs)
    if (out / "metrics.json").is_file():
        return
    runs.mkdir(parents=True, exist_ok=True)
    before = json.loads(note.read_text("utf-8"))["cpu_seconds"] if note.is_file() else 0.0
    command = [sys.executable, "-m", "regard", "train", *words_of(case, seed, runs), "--out", str(out)]
    print("  " + " ".join(command[1:]), flush=True)
    started = subprocess.Popen(command)
    _, status, usage = os.wait4(started.pid, 0)
    spent = before + usage.ru_utime + usage.ru_stime
    told = {"cpu_seconds": spent, "peak_mb": usage.ru_maxrss // 1024, "commit": commit()}
    note.write_text(json.dumps(told) + "\n", "utf-8")
    if code := os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{case.name}, seed {seed}: regard train ended with exit code {code}")


def row_of(case: Case, seeds: Sequence[int], runs: Path) -> dict[str, Any]:
    """One row of the table: the score of every seed, beside the baselines of the first.

    Raises:
        RunError: a run was trained with other settings than the command stands for now.
    """
    found = [_checked(case, seed, runs) for seed in seeds]
    notes = [_places(case, seed, runs)[1] for seed in seeds]
    spent = [json.loads(note.read_text("utf-8")) if note.is_file() else {} for note in notes]
    return {
        "name": case.name,
        "task": case.task,
        "command": command_of(case),
        "seeds": list(seeds),
        "scores": [score_row(found, place) for place in _shown(case, found[0])],
        "bars": [barred(bar, found) for bar in case.bars],
        "cpu_minutes": [round(one["cpu_seconds"] / 60, 2) if one else None for one in spent],
        "peak_mb": max((one["peak_mb"] for one in spent if one), default=None),
        "commits": sorted({one["commit"] for one in spent if one}),
        "padding": max(one.cost["padding"] for one in found),
        "epochs": [one.training["epochs"] for one in found],
        "note": case.note,
    }


def score_row(found: Sequence[Result], place: int) -> dict[str, Any]:
    """One score: of each seed, and of the baseline that is best by it, with how the seeds stand to that."""
    each = [run.scores[place] for run in found]
    first = each[0]
    best = (max if first.better == "higher" else min)(found[0].baselines, key=lambda one: one.scores[place].value)
    theirs = [next(one for one in run.baselines if one.name == best.name) for run in found]
    return {
        "name": first.name,
        "better": first.better,
        "rows": first.rows,
        "protocol": first.protocol,
        "mean": statistics.fmean(one.value for one in each),
        "each": [[one.value, one.low, one.high] for one in each],
        "baseline": {"name": best.name, **{key: getattr(best.scores[place], key) for key in ("value", "low", "high")}},
        "gains": [[one.gain.value, one.gain.low, one.gain.high] for one in theirs] if place == 0 else [],
        "standing": standing(each, theirs, place),
    }


def standing(each: Sequence[Metric], theirs: Sequence[BaselineResult], place: int) -> str:
    """apart: every seed is better, its interval and the baseline's without a value in common. ahead: they overlap, but
    the paired gain of every seed is above 0 (known of the first score alone). behind: the same the other way round, of
    either kind. level: none of these."""
    pairs = [(mine, base.scores[place]) for mine, base in zip(each, theirs, strict=True)]
    apart = all(mine.apart(other) for mine, other in pairs)
    if apart and all(mine.beats(other) for mine, other in pairs):
        return "apart"
    if apart and all(other.beats(mine) for mine, other in pairs):
        return "behind"
    if place == 0 and all(base.gain.low > 0 for base in theirs):
        return "ahead"
    return "behind" if place == 0 and all(base.gain.high < 0 for base in theirs) else "level"


def barred(bar: Bar, found: Sequence[Result]) -> dict[str, Any]:
    """A bar, what the mean over seeds came to, and whether that is enough."""
    place = _place(bar.score, found[0])
    mean = statistics.fmean(run.scores[place].value for run in found)
    limit = bar.value
    if bar.baseline is not None:
        (base,) = [one for one in found[0].baselines if bar.baseline in one.name]
        limit += base.scores[place].value
    higher = found[0].scores[place].better == "higher"
    met = (mean > limit if higher else mean < limit) or (mean == limit and not bar.strictly)
    return {"text": bar.text, "score": bar.score, "limit": limit, "mean": mean, "met": met}


def _shown(case: Case, found: Result) -> list[int]:
    return [_place(name, found) for name in case.shown] or [0]


def _place(name: str, found: Result) -> int:
    return [one.name for one in found.scores].index(name)


def _checked(case: Case, seed: int, runs: Path) -> Result:
    run = RunFolder(_places(case, seed, runs)[0])
    before = settings_from(read_json(run.config)["asked"], where=str(run.config))
    apart = differences(changed(before, _FREE), changed(settings_of(case, seed), _FREE))
    if apart:
        raise RunError(
            f"{run.path} was trained with other settings ({'; '.join(apart)}); train it again in a new folder"
        )
    return read_result(run)


def _places(case: Case, seed: int, runs: Path) -> tuple[Path, Path]:
    """The run's folder, and the file with what it took."""
    return runs / f"{case.name}-{seed}", runs / f"{case.name}-{seed}.spent.json"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=[case.name for case in CASES], action="append")
    parser.add_argument("--runs", type=Path, default=Path("runs/tasks"))
    parser.add_argument("--seeds", type=int, help="at most so many a case")
    parser.add_argument("--read", action="store_true", help="train nothing: read the runs that are there")
    given = parser.parse_args()
    path, rows = RESULTS / "tasks.json", []
    for case in CASES:
        if given.only and case.name not in given.only:
            continue
        seeds = list(range(min(case.seeds, given.seeds or case.seeds)))
        if given.read:
            seeds = [seed for seed in seeds if (_places(case, seed, given.runs)[0] / "metrics.json").is_file()]
        for seed in seeds:
            if not given.read:
                train(case, seed, given.runs)
        rows += [row_of(case, seeds, given.runs)] if seeds else []
    kept = json.loads(path.read_text("utf-8"))["tasks"] if path.exists() else []
    merged = {row["name"]: row for row in [*kept, *rows]}
    result = {
        "name": "tasks",
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "versions": versions(),
        "machine": machine(),
        "tasks": [merged[case.name] for case in CASES if case.name in merged],
        "missing": [command_of(case) for case in CASES if case.name not in merged],
    }
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
