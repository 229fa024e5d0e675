"""Side-by-side timing: correctness first, then interleaved rounds in one process, medians, and ratios within a round.

A figure from another run, machine or day is never compared with one from here: every ratio is between two peers that
took turns in the same rounds.
"""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

Results = tuple[Tensor, ...]


class GateError(AssertionError):
    """A peer's result is not what the truth says; its case is not timed."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """Peers that compute one thing, and the float64 truth that each must meet before any is timed."""

    name: str
    peers: Mapping[str, Callable[[], Results]]
    against: str  # the peer that every ratio is taken to
    truth: Callable[[], Results]
    tolerance: float  # largest error allowed, relative to the largest entry of the truth
    calls: int = 1  # calls a sample: more than one where a single call is near the clock's own cost
    read: Mapping[str, Callable[[Results], Results]] = field(default_factory=dict)  # at the gate, of a peer whose
    # results lie in another shape than the truth's (padded, packed): never timed

    def __post_init__(self) -> None:
        if self.against not in self.peers:
            raise ValueError(f"{self.name}: against={self.against!r} is none of {', '.join(self.peers)}")

    def seen(self, peer: str) -> Results:
        """Call `peer` once; what it gives, laid out as the truth is."""
        found = self.peers[peer]()
        return self.read[peer](found) if peer in self.read else found


@dataclass(frozen=True)
class Rounds:
    """How often: `warmup` rounds thrown away, then `kept` rounds, each of one sample a peer."""

    kept: int = 21
    warmup: int = 3


SMOKE = Rounds(kept=3, warmup=1)


@dataclass
class Goal:
    """A promise and what was measured: met when `measured <= limit`."""

    text: str
    measured: float
    limit: float
    unit: str = ""

    def as_json(self) -> dict[str, Any]:
        measured = None if math.isnan(self.measured) else self.measured  # the case failed: JSON has no NaN
        return {**self.__dict__, "measured": measured, "met": bool(self.measured <= self.limit)}


@dataclass
class Report:
    """What one benchmark file found; `as_json` is what is written down."""

    name: str
    cases: list[dict[str, Any]] = field(default_factory=list)
    memory: list[dict[str, Any]] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    apart: list[dict[str, Any]] = field(default_factory=list)  # seconds spent once, outside of every round: `beside`

    def beside(self, name: str, what: str, seconds: float) -> None:
        """Note what took time beside the calls: compiling, packing."""
        print(f"  {name}: {what} {seconds:.3g} s", flush=True)
        self.apart.append({"name": name, "what": what, "seconds": seconds})

    def seconds(self, case: str, peer: str) -> float:
        """The median time of `peer` in `case`; NaN where the case failed its gate, so that no goal is met by it."""
        found = next((c for c in self.cases if c["name"] == case), {})
        return float(found.get("peers", {}).get(peer, {}).get("median_s", float("nan")))

    def ratio(self, case: str, peer: str) -> float:
        found = next((c for c in self.cases if c["name"] == case), {})
        return float(found.get("peers", {}).get(peer, {}).get("ratio", float("nan")))

    def error(self, case: str, peer: str) -> float:
        found = next((c for c in self.cases if c["name"] == case), {})
        return float(found.get("peers", {}).get(peer, {}).get("error", float("nan")))

    def extra_bytes(self, case: str, peer: str) -> float:
        found = next((m for m in self.memory if m["name"] == case and m["peer"] == peer), {})
        return float(found.get("extra_bytes", float("nan")))


def relative_error(found: Results, truth: Results) -> float:
    """The largest error of any entry, relative to the largest entry of its tensor in the truth; NaN counts as inf."""
    if len(found) != len(truth):
        raise GateError(f"{len(found)} results, but the truth has {len(truth)}")
    worst = 0.0
    for have, want in zip(found, truth, strict=True):
        if have.shape != want.shape:
            raise GateError(f"a result of shape {tuple(have.shape)}, but the truth has {tuple(want.shape)}")
        error = (have.detach().double() - want).abs().max() / want.abs().max().clamp_min(1e-30)
        worst = max(worst, float(torch.nan_to_num(error, nan=torch.inf)))
    return worst


def gate(case: Case) -> dict[str, float]:
    """Each peer's error; raises `GateError` when one is over the case's tolerance."""
    truth = case.truth()
    errors = {}
    for name in case.peers:
        errors[name] = relative_error(case.seen(name), truth)
        if errors[name] > case.tolerance:
            raise GateError(f"{case.name}: {name} is off by {errors[name]:.1e}, more than {case.tolerance:.0e}")
    return errors


def sample(call: Callable[[], Results], calls: int) -> float:
    """Seconds a call, over `calls` calls in a row."""
    start = time.perf_counter_ns()
    for _ in range(calls):
        call()
    return (time.perf_counter_ns() - start) / calls / 1e9


def take_turns(case: Case, rounds: Rounds) -> dict[str, list[float]]:
    """Seconds of each peer in each kept round. Every second round runs backwards, so that no peer is always first."""
    taken: dict[str, list[float]] = {name: [] for name in case.peers}
    gc.collect()
    gc.disable()
    try:
        for turn in range(rounds.warmup + rounds.kept):
            order = list(case.peers.items())
            for name, peer in order if turn % 2 == 0 else reversed(order):
                seconds = sample(peer, case.calls)
                if turn >= rounds.warmup:
                    taken[name].append(seconds)
    finally:
        gc.enable()
    return taken


def summary(taken: Mapping[str, Sequence[float]], against: str) -> dict[str, dict[str, float]]:
    """Median and quartiles of each peer, and the median of its ratio to `against` round by round."""
    found = {}
    for name, seconds in taken.items():
        low, median, high = statistics.quantiles(seconds, n=4) if len(seconds) > 1 else [seconds[0]] * 3
        ratios = [mine / theirs for mine, theirs in zip(seconds, taken[against], strict=True)]
        found[name] = {"median_s": median, "low_s": low, "high_s": high, "ratio": statistics.median(ratios)}
    return found


def run(case: Case, rounds: Rounds) -> dict[str, Any]:
    """Gate, then time. A case that fails its gate comes back with `failed` and no times."""
    try:
        errors = gate(case)
    except GateError as error:
        print(f"  FAILED {error}", flush=True)
        return {"name": case.name, "against": case.against, "failed": str(error)}
    peers = summary(take_turns(case, rounds), case.against)
    print(f"  {case.name}", flush=True)
    for name, row in peers.items():
        row["error"] = errors[name]
        print(f"    {name:40} {row['median_s'] * 1e3:12.4f} ms  x {row['ratio']:.3f}", flush=True)
    return {
        "name": case.name,
        "against": case.against,
        "tolerance": case.tolerance,
        "calls": case.calls,
        "rounds": rounds.kept,
        "peers": peers,
    }
