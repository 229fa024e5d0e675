"""What a budget costs: the output's error of every policy at 5, 10 and 20 % of the bytes of a 16-bit cache.

    python -m benchmarks.spending [--smoke] [--workers N] [--model gemma3-270m] [--length 8192]

On queries, keys and values that real decoders made of a novel (`benchmarks.captured`, which runs first where they are
not there). Each of 24 queries in the second half of the text is measured as it is decoded: over the keys up to its own,
against exact attention in float64, |output - exact| / |exact|, mean over heads and queries. Bytes are counted by
`spend` for all alike; a policy that reads more than the budget stops the run.

A policy's setting is chosen for every layer and key head, by its error on another novel; beside it stands the one
setting that was best there for the whole model. The first half of the text is the prompt from which focus and periphery
make their sketch; later tokens are added to it as they come.

What was measured is kept beside the captures, and measured again only where the code it depends on has changed: an
interrupted run goes on where it stopped, and after a change to focus and periphery the other policies need not run.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from benchmarks import record
from benchmarks.captured import CHOSEN_ON, LAYERS, LONGEST, REPORTED, capture, load
from benchmarks.contenders import SETTINGS
from benchmarks.harness import SMOKE, Report
from benchmarks.spending_job import NOTHING, Job, Settings, code, joined, run
from benchmarks.spending_table import Found, goals, needed, rows
from benchmarks.watched import kernel
from regard.kernels.policies import POLICIES
from regard.spec.policy import Focus
from regard.tasks.packages import cache_folder

SHARES = (0.05, 0.1, 0.2)
THREE_BITS = 0.22  # what keys and values take at 3 bits, with a step and an offset of 16 bits for every 64 of them
LENGTHS = (8192, LONGEST)
QUERIES, CHOOSING = 24, 12  # of the text that is reported, and of the one that settings are chosen on


def every(dim: int) -> Settings:
    """Every setting of every policy that `spend` knows, at each share."""
    found = {
        share: tuple(
            policy for grid in SETTINGS.values() for policy in grid(dim, share) if kernel(policy) in (*POLICIES, Focus)
        )
        for share in SHARES
    }
    return {**found, THREE_BITS: tuple(SETTINGS["LowBits"](dim, THREE_BITS))}


def picked(settings: Settings, names: Mapping[str, set[str]]) -> Settings:
    """Those of the settings that are named."""
    return {
        share: tuple(policy for policy in many if str(policy) in names[str(share)]) for share, many in settings.items()
    }


def gathered(jobs: Sequence[Job], *, workers: int) -> list[Found]:
    """What each job found, in order, side by side in `workers` processes; what is known is not measured again."""
    known = done()
    left = [job.without(known.get(job.key, NOTHING)) for job in jobs]
    missing = [job for job in left if any(job.settings.values())]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(missing)) or 1, mp_context=spawn) as pool:
        waiting = {pool.submit(run, job): job for job in missing}
        try:
            for each in as_completed(waiting):
                key, found = waiting[each].key, each.result()
                known[key] = joined(known.get(key, NOTHING), found)
                with notes().open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"key": key, "found": found}) + "\n")
                print(f"  {key}", flush=True)
        finally:
            pool.shutdown(cancel_futures=True)
    return [job.only(known.get(job.key, NOTHING)) for job in jobs]


def done() -> dict[str, Found]:
    """What earlier runs found, by the key of the job."""
    found: dict[str, Found] = {}
    lines = notes().read_text("utf-8").splitlines() if notes().exists() else []
    for row in map(json.loads, lines):
        found[row["key"]] = joined(found.get(row["key"], NOTHING), row["found"])
    return found


def notes() -> Path:
    return cache_folder() / "captured" / "spending.jsonl"


def table(model: str, length: int, layers: Sequence[int], *, workers: int, smoke: bool) -> list[dict[str, Any]]:
    """The rows of one model at one length."""
    for text in (CHOSEN_ON, REPORTED):
        capture(model, text, length=length if smoke else LONGEST, layers=tuple(layers))
    settings = every(load(model, CHOSEN_ON, layers[0], length=length).key.shape[2])
    queries = {CHOSEN_ON: 2, REPORTED: 2} if smoke else {CHOSEN_ON: CHOOSING, REPORTED: QUERIES}

    def measure(text: str, asked: Sequence[Settings]) -> list[Found]:
        jobs = [
            Job(model, length, layer, text, queries[text], parted(wanted, own=own), own)
            for own in (False, True)
            for layer, wanted in zip(layers, asked, strict=True)
        ]
        found = gathered(jobs, workers=workers)
        return [joined(*each) for each in zip(found[: len(layers)], found[len(layers) :], strict=True)]

    tuned = measure(CHOSEN_ON, [settings] * len(layers))
    found = measure(REPORTED, [picked(settings, needed(tuned, number)) for number in range(len(layers))])
    return [{"model": model, "length": length, "layers": list(layers)} | row for row in rows(tuned, found)]


def parted(settings: Settings, *, own: bool) -> Settings:
    """Those of regard's own policy, or the others."""
    return {
        share: tuple(policy for policy in many if isinstance(policy, Focus) == own) for share, many in settings.items()
    }


def main() -> int:
    parser = record.parser(__doc__)
    parser.add_argument("--model", choices=tuple(LAYERS), action="append", help="by default both")
    parser.add_argument("--length", type=int, choices=LENGTHS, action="append", help="by default both")
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1), help="processes (%(default)s)")
    given = parser.parse_args()
    asked, folder = record.started(given)
    smoke = asked == SMOKE
    if (given.model or given.length) and not smoke:
        folder = record.RESULTS / "smoke"  # a part of the table is not the table
    folder.mkdir(parents=True, exist_ok=True)
    report, made = Report("spending"), []
    for model in ("gemma3-270m",) if smoke else given.model or LAYERS:
        for length in (1024,) if smoke else given.length or LENGTHS:
            layers = LAYERS[model][: 1 if smoke else None]
            found = table(model, length, layers, workers=given.workers, smoke=smoke)
            report.goals += goals(model, length, found, bits_share=THREE_BITS)
            made += found
    failed = record.finish(report, None, folder)
    _add(folder / "spending.json", made, smoke=smoke)
    return failed


def _add(path: Path, made: list[dict[str, Any]], *, smoke: bool) -> None:
    """The table, beside what every benchmark leaves."""
    found = json.loads(path.read_text("utf-8"))
    about = {"reported": REPORTED, "chosen_on": CHOSEN_ON, "queries": 2 if smoke else QUERIES, "code": code(own=True)}
    path.write_text(
        json.dumps({**found, "spending": {**about, "rows": made}}, indent=1, ensure_ascii=False) + "\n", "utf-8"
    )


if __name__ == "__main__":
    sys.exit(main())
