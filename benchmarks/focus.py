"""Attention under a budget: one query on a tenth of a long cache's bytes, and a prompt on a fifth of them.

    python -m benchmarks.focus [--smoke] [--rounds N]

Numbers drawn as they come would make a poor example: every key would get nearly the same weight. The queries are longer
here, so that scores spread by three (in the global layers of Gemma 3 270M they spread by four to nine), which is what a
budget rests on in real heads. The truth is exact attention in float64; a budget's error against it stands in the table.
Peers are every exact kernel that the planner may choose, and SDPA. The sketch of the cache is made once, before; what
that takes is told apart, for a prompt it is part of the call.

Goals: one query on 131,072 keys at 10 %, at most 1/3 of the best exact kernel's time; a prompt of 16,384 tokens at
20 %, at most 1/2 of causal SDPA's.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import lru_cache, partial

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention as sdpa

import regard
from benchmarks import record
from benchmarks.decoding import NAMES
from benchmarks.harness import SMOKE, Case, Goal, Report, Results, Rounds, run
from benchmarks.inputs import Inputs, Shape
from benchmarks.strips import Formula

FOCUS, SDPA = "regard.attend, budget", "SDPA"
SPREAD = 3.0  # standard deviation of the scores
DTYPES = (torch.float32, torch.bfloat16)
LENGTHS, PROMPTS = (8192, 32768, 131072), (8192, 16384)
SHORT, SHORT_PROMPT = 4096, 2048  # of a smoke run
DECODING, PROMPT = 0.1, 0.2  # shares of the bytes
ALIKE = 0.995  # correlation of a query with the one before it
OFF = 0.35  # the error allowed at the gate, of the largest number: a budget is no exact kernel


@lru_cache(maxsize=1)
def given(shape: Shape, dtype: torch.dtype) -> Inputs:
    drawn = Inputs.of(shape, dtype=torch.float32)
    parts = (drawn.query * SPREAD, drawn.key, drawn.value)
    return Inputs(*(part.to(dtype) for part in parts), drawn.pull, gradient=False)


def decoding(keys: int, dtype: torch.dtype, report: Report) -> Case:
    """One query, as if decoded."""
    shape = Shape(queries=1, keys=keys)
    inputs, budget = given(shape, dtype), regard.Budget(fraction=DECODING)
    began = time.perf_counter()
    sketch = regard.Sketch.of(inputs.key, inputs.value, query=inputs.query)
    name = f"{NAMES[dtype]}, {shape}, {DECODING:.0%} of the bytes"
    report.beside(name, "making the sketch", time.perf_counter() - began)
    peers: dict[str, Callable[[], Results]] = {
        FOCUS: partial(inputs.attend, budget=budget, sketch=sketch, kernel="focus"),
        SDPA: lambda: (sdpa(*inputs.leaves),),
    }
    for kernel in inputs.kernels():
        peers[f"regard.attend, kernel={kernel!r}"] = partial(inputs.attend, kernel=kernel)
    formula = Formula(allowed=lambda rows: torch.ones(len(rows), keys, dtype=torch.bool))
    return Case(
        name=name,
        peers=peers,
        against=SDPA,
        truth=lambda: formula.output(*inputs.leaves),
        tolerance=OFF,
        calls=max(1, (1 << 18) // (keys * shape.heads)),
    )


def prompt(length: int) -> Case:
    """Every query of a prompt, causal; the sketch is made in the call."""
    shape = Shape(queries=length, keys=length)
    inputs, mask = alike(given(shape, torch.float32)), regard.Causal()
    peers: dict[str, Callable[[], Results]] = {
        FOCUS: partial(inputs.attend, mask=mask, budget=regard.Budget(fraction=PROMPT), kernel="focus-tiles"),
        "regard.attend": partial(inputs.attend, mask=mask),
        SDPA: lambda: (sdpa(*inputs.leaves, is_causal=True),),
    }
    formula = Formula(allowed=lambda rows: _until(length, rows))
    return Case(
        name=f"float32, {shape}, causal, {PROMPT:.0%} of the bytes",
        peers=peers,
        against=SDPA,
        truth=lambda: formula.output(*inputs.leaves),
        tolerance=1.0,
    )


def _until(length: int, rows: range) -> Tensor:
    return torch.arange(length) <= torch.arange(rows.start, rows.stop)[:, None]


def alike(inputs: Inputs) -> Inputs:
    """The same, each query like the one before it: tiles of a prompt share a choice, as neighbours in a text can."""
    query = inputs.query.clone()
    fresh = (1 - ALIKE**2) ** 0.5
    for place in range(1, query.shape[2]):
        query[:, :, place] = ALIKE * query[:, :, place - 1] + fresh * query[:, :, place]
    return Inputs(query, inputs.key, inputs.value, inputs.pull, gradient=False)


def best_exact(report: Report, name: str) -> float:
    """Seconds of the fastest peer that reads everything."""
    found = next(case for case in report.cases if case["name"] == name)
    return min(float(each["median_s"]) for peer, each in found["peers"].items() if peer != FOCUS)


def main() -> int:
    asked, folder = record.start(__doc__)
    smoke, rounds = asked == SMOKE, Rounds(min(asked.kept, 11), asked.warmup)
    report = Report("focus")
    for dtype in DTYPES:
        for keys in (SHORT,) if smoke else LENGTHS:
            made = decoding(keys, dtype, report)
            report.cases.append(run(made, rounds))
            if keys in (SHORT, LENGTHS[-1]):
                ratio = report.seconds(made.name, FOCUS) / best_exact(report, made.name)
                report.goals.append(Goal(f"{made.name}: time, of the best exact kernel's", ratio, 1 / 3))
    for length in (SHORT_PROMPT,) if smoke else PROMPTS:
        made = prompt(length)
        report.cases.append(run(made, Rounds(min(rounds.kept, 3), 1)))
        if length in (SHORT_PROMPT, PROMPTS[-1]):
            report.goals.append(Goal(f"{made.name}: time, of SDPA's", report.ratio(made.name, FOCUS), 1 / 2))
    return record.finish(report, rounds, folder)


if __name__ == "__main__":
    sys.exit(main())
