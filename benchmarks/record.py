"""The JSON that a benchmark leaves: figures, and all that is needed to tell where they come from."""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness import SMOKE, Report, Rounds

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PEERS = ("keras", "tensorflow-cpu", "local-attention", "transformers", "x-transformers", "numba", "captum")
LOAD_BEFORE = os.getloadavg()[0]  # over the last minute, when the run began: what else this machine is busy with


def parser(doc: str | None) -> argparse.ArgumentParser:
    """The options that every benchmark has; one that has more adds them and hands what was typed to `started`."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--smoke", action="store_true", help="three rounds, written to results/smoke: does it run?")
    made.add_argument("--rounds", type=int, default=Rounds().kept, help="rounds kept (default %(default)s)")
    return made


def start(doc: str | None) -> tuple[Rounds, Path]:
    """Read the command line of a benchmark: how many rounds, and the folder to write to."""
    return started(parser(doc).parse_args())


def started(given: argparse.Namespace) -> tuple[Rounds, Path]:
    if LOAD_BEFORE > 0.5:
        print(f"  the machine is busy (load {LOAD_BEFORE:.1f}): these figures will not be worth keeping", flush=True)
    return (SMOKE, RESULTS / "smoke") if given.smoke else (Rounds(given.rounds), RESULTS)


def finish(report: Report, rounds: Rounds | None, folder: Path, *, more: Mapping[str, Any] | None = None) -> int:
    """Write `folder/<name>.json`, print the goals, and give the exit code: 1 when a case failed its gate. `rounds` is
    None where nothing is timed. `more`: what else belongs into the JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {
        "name": report.name,
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        **({} if rounds is None else {"rounds": rounds.kept, "warmup": rounds.warmup}),
        "versions": versions(),
        "machine": machine(),
        "cases": report.cases,
        "memory": report.memory,
        **({"apart": report.apart} if report.apart else {}),
        "goals": [goal.as_json() for goal in report.goals],
        **(more or {}),
    }
    (folder / f"{report.name}.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    for goal in report.goals:
        word = "met   " if goal.measured <= goal.limit else "MISSED"
        print(f"  {word} {goal.text}: {goal.measured:.3g} {goal.unit} (at most {goal.limit:g})")
    return int(any("failed" in row for row in (*report.cases, *report.memory)))


def versions() -> dict[str, str]:
    """Python, torch, this working tree, and those peers that are installed."""
    found = {"python": platform.python_version(), "torch": torch.__version__, "regard": commit()}
    installed = {each.name.replace("_", "-") for each in importlib.metadata.distributions()}
    return found | {name: importlib.metadata.version(name) for name in PEERS if name in installed}


def commit() -> str:
    """The short commit, with "+changes" where the package or the benchmarks differ from it."""
    try:
        head = _git("rev-parse", "--short", "HEAD")
        changed = _git("status", "--porcelain", "--", "src", "benchmarks", ":!benchmarks/results")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}+changes" if changed else head


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=HERE.parent, capture_output=True, text=True, check=True).stdout.strip()


def machine() -> dict[str, Any]:
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "load_before": LOAD_BEFORE,
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
