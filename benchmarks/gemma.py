"""Watching a real model on a long text: Gemma 3 270M on Jane Austen, beside the same model unwatched.

    python -m benchmarks.gemma [--smoke]

The gate asks for the very output of the unwatched model, to the last bit. Each call takes the better part of a minute,
so that three rounds are kept and the gate is the warm-up. `--smoke` reads 1,024 tokens. Needs `regard data get
gemma3-270m` and `regard data get austen`.
"""

from __future__ import annotations

import gc
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from benchmarks import memory, record
from benchmarks.harness import SMOKE, Case, Goal, Report, Results, Rounds, run
from regard.app.subject import Subject, text_subject
from regard.lens.recording import Recording
from regard.lens.report import report as write_report
from regard.lens.watch import watch
from regard.tasks.sources import cached, command, source

PLAIN, FIGURES, WHOLE = "unwatched", "watched", "watched as `regard observe` does (top 8, maps of 256 x 256)"
SLOWER, PAGE = 1.5, 5.0  # goals: times the unwatched model's time; MB of report
KEPT = 3


def case(*, length: int) -> Case:
    """`length` tokens of Emma, one pass."""
    subject = ready(length)
    peers = {
        PLAIN: lambda: plain(subject),
        FIGURES: lambda: watched(subject)[0],
        WHOLE: lambda: watched(subject, top=8, bins=(256, 256))[0],
    }
    name = f"Gemma 3 270M, {length:,} tokens"
    return Case(name=name, peers=peers, against=PLAIN, truth=lambda: plain(subject), tolerance=0.0)


@lru_cache(maxsize=1)
def model() -> tuple[Path, str]:
    """The model's folder and the text, which must be in the cache: a benchmark fetches nothing."""
    places = []
    for name in ("gemma3-270m", "austen"):
        path = cached(source(name))
        if path is None:
            raise SystemExit(f"{name} is not in the cache; type: regard data get {name}, or {command(source(name))}")
        places.append(path)
    return places[0], (places[1] / "emma.txt").read_text(encoding="utf-8")


def ready(length: int) -> Subject:
    folder, text = model()
    return text_subject(folder, text[: length * 8], tokens=length)  # a token of English has fewer characters than 8


def plain(subject: Subject) -> Results:
    with torch.inference_mode():
        return (subject.run().last_hidden_state,)


def watched(subject: Subject, **kept: Any) -> tuple[Results, Recording]:
    with watch(subject.model, **kept) as seen:
        return plain(subject), seen


def page_size(length: int) -> float:
    """MB of the report of a run as the command makes it."""
    subject = ready(length)
    trace = subject.traced(watched(subject, top=8, bins=(256, 256))[1])
    with tempfile.TemporaryDirectory() as folder:
        return write_report(trace, Path(folder) / "report.html").stat().st_size / 1e6


def main() -> int:
    asked, folder = record.start(__doc__)
    smoke = asked == SMOKE
    rounds = Rounds(kept=min(asked.kept, KEPT), warmup=0)
    length, longest = (1024, 2048) if smoke else (8192, 16384)
    report = Report("gemma")
    report.cases.append(run(case(length=length), rounds))
    for name in (FIGURES, WHOLE):
        ratio = report.ratio(report.cases[0]["name"], name)
        report.goals.append(Goal(f"{length:,} tokens, {name}: times the unwatched time", ratio, SLOWER))
    report.goals.append(Goal(f"report of {length:,} tokens", page_size(length), PAGE, "MB"))
    gc.collect()
    memory.job(
        report.memory,
        f"{longest:,} tokens",
        "gemma",
        "case",
        peers=(PLAIN, FIGURES, WHOLE),
        small={"length": 128},
        real={"length": longest},
    )
    return record.finish(report, rounds, folder)


if __name__ == "__main__":
    sys.exit(main())
