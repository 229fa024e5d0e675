"""From what was measured to the rows of `loss`, and its goals."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.contenders import REGARD
from benchmarks.harness import Goal
from benchmarks.loss_decoding import STEP
from benchmarks.loss_facts import asked
from benchmarks.loss_study import Study, fact_ways
from benchmarks.loss_ways import PEERS

QUARTER = 0.25  # goal: of the best peer's increase
LEAST = 1e-4  # nats: an increase below is none, and no measure for others


def loss_rows(study: Study) -> list[dict[str, Any]]:
    """One row for each way: means over the tokens of all places, with the standard error over stretches of `STEP`."""
    made = []
    for way in study.ways:
        found = [study.kept.rows.get(study.loss_key(start, way)) for start in study.starts]
        row = {"model": study.name, "policy": way.name, "title": way.title, "share": way.share}
        row |= {"settings": way.shown, "origin": way.origin}
        known = [each for each in found if each is not None]
        failed = [each["failed"] for each in known if "failed" in each]
        if failed:
            made.append({**row, "failed": failed[0]})
        elif known and len(known) == len(found):
            read, full = (sum(each[part] for each in known) for part in ("read", "full"))
            made.append({**row, "bytes": read / full, **summed(known)})
    return made


def summed(known: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """exact, loss, increase and kl, in nats a token, with the standard errors of the latter two."""
    exact = [nats for each in known for nats in each["exact"]]
    nats = [nats for each in known for nats in each["nats"]]
    more, more_error = mean([mine - theirs for mine, theirs in zip(nats, exact, strict=True)])
    apart, apart_error = mean([nats for each in known for nats in each["kl"]])
    parts = {"exact": statistics.fmean(exact), "loss": statistics.fmean(nats)}
    return {**parts, "increase": more, "increase_error": more_error, "kl": apart, "kl_error": apart_error}


def mean(numbers: Sequence[float]) -> tuple[float, float | None]:
    """(mean, its standard error, stretches of `STEP` tokens being taken as independent)"""
    parts = [statistics.fmean(numbers[start : start + STEP]) for start in range(0, len(numbers), STEP)]
    error = statistics.stdev(parts) / math.sqrt(len(parts)) if len(parts) > 1 else None
    return statistics.fmean(numbers), error


def loss_goals(study: Study, rows: Sequence[Mapping[str, Any]]) -> list[Goal]:
    """At 10 % of the bytes: ours over the best peer's."""
    made = []
    for part, what in (("increase", "increase in loss"), ("kl", "divergence from the exact next word")):
        here = {row["policy"]: row[part] for row in rows if row["share"] == 0.1 and "failed" not in row}
        others = [value for name, value in here.items() if name in PEERS]
        ratio = math.nan
        if REGARD in here and others:
            ratio = max(here[REGARD], 0.0) / max(min(others), LEAST)
        text = f"{study.name}, {study.length:,} tokens, 10 %: {what}, times the best peer's"
        made.append(Goal(text, ratio, QUARTER))
    return made


def fact_rows(study: Study, depths: Sequence[int], each: int) -> list[dict[str, Any]]:
    """One row for each way: of how many facts, how many were found at each depth, and by exact attention."""
    made, pairs = [], asked(depths, each)
    for way in fact_ways(study):
        found = [study.kept.rows.get(study.fact_key(*pair, way)) for pair in pairs]
        known = [one for one in found if one is not None]
        row = {"model": study.name, "policy": way.name, "title": way.title, "share": way.share}
        row |= {"settings": way.shown, "origin": way.origin}
        failed = [one["failed"] for one in known if "failed" in one]
        if failed:
            made.append({**row, "failed": failed[0]})
        elif known and len(known) == len(found):
            exact = [one["exact"] for one in known]
            read, full = (sum(one[part] for one in known) for part in ("read", "full"))
            row |= {"asked": len(known), **_by_depth(known, each), "bytes": read / full}
            row |= {f"exact_{name}": value for name, value in _by_depth(exact, each).items()}
            row |= {"nats": statistics.fmean(one["nats"] for one in known)}
            made.append({**row, "exact_nats": statistics.fmean(one["nats"] for one in exact)})
    return made


def fact_goals(study: Study, rows: Sequence[Mapping[str, Any]]) -> list[Goal]:
    """At 20 % of the bytes: facts that exact attention finds and ours does not."""
    return [
        Goal(
            f"{study.name}, {study.length:,} tokens, 20 %: facts of {row['asked']} fewer than exact attention finds",
            row["exact_found"] - row["found"],
            0.0,
        )
        for row in rows
        if (row["policy"], row["share"]) == (REGARD, 0.2) and "failed" not in row
    ]


def press_rows(study: Study, wanted: Sequence[tuple[int, str, float, str, int]]) -> list[dict[str, Any]]:
    """One row for each press, share and size of cache, over the places that were measured (`places`: how many of
    how many). wanted: (start, press, share, size, keys of the prompt)."""
    made = []
    for press, share, size in dict.fromkeys((press, share, size) for _, press, share, size, _ in wanted):
        keys = [(start, kept) for start, *kind, kept in wanted if tuple(kind) == (press, share, size)]
        found = [study.kept.rows.get(study.press_key(start, press, kept)) for start, kept in keys]
        known = [each for each in found if each is not None]
        kept = keys[0][1]
        all_keys = study.length + (study.scored + 1) / 2  # of exact attention, mean over the scored tokens
        row = {"model": study.name, "press": press, "share": share, "size": size, "kept_of_prompt": kept}
        row |= {"mean_share": (kept + (study.scored + 1) / 2) / all_keys}
        failed = [each["failed"] for each in known if "failed" in each]
        if failed:
            made.append({**row, "failed": failed[0]})
        elif known:
            made.append({**row, "places": [len(known), len(found)], "versions": known[0]["versions"], **summed(known)})
    return made


def _by_depth(known: Sequence[Mapping[str, Any]], each: int) -> dict[str, Any]:
    """found: how many; found_at: at each depth."""
    found = [sum(one["found"] for one in known[at : at + each]) for at in range(0, len(known), each)]
    return {"found": sum(found), "found_at": found}
