"""One query, or a few, against a long cache: `regard.attend` against SDPA and two matrix products in plain torch.

The products are written for the shape: the queries that share a key head are one matrix, so that no key is repeated. In
half types they round scores and weights to the half type; `error` says what that costs, and no peer is timed that is
further than the tolerance from attention in float64 on the same (already rounded) query, key and value.

Goals, 8 heads of 64, one query on 8,192, 32,768 and 131,072 keys: bf16 at most 1/3 of SDPA's time and an error as
small as SDPA's (5 % for rounding), float32 no slower (3 % for noise).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention as sdpa

import regard
from benchmarks import record
from benchmarks.harness import SMOKE, Case, Goal, Report, Results, Rounds, run
from benchmarks.inputs import Inputs, Shape
from benchmarks.strips import Formula

REGARD, SDPA, PRODUCTS = "regard.attend", "SDPA", "two matrix products"
TOLERANCES = {torch.float32: 2e-5, torch.bfloat16: 5e-2, torch.float16: 5e-3}
NAMES = {torch.float32: "float32", torch.bfloat16: "bf16", torch.float16: "fp16"}
LIMITS = {torch.bfloat16: 1 / 3, torch.float32: 1.03}
LENGTHS = (8192, 32768, 131072)
OTHERS = (
    Shape(queries=1, keys=32768, heads=1, kv_heads=1),
    Shape(queries=1, keys=32768, heads=32, kv_heads=8),
    Shape(queries=4, keys=32768),
)
KEPT = 11
WORTH = 1 << 18  # keys x heads of a sample: calls smaller than that are repeated


def case(shape: Shape, dtype: torch.dtype) -> Case:
    """The last queries of a sequence; where there is more than one, each sees the keys up to its own."""
    given = Inputs.of(shape, dtype=dtype)
    mask, dense = (None, None) if shape.queries == 1 else (regard.Causal(), _until(shape, range(shape.queries)))
    shared = shape.heads != shape.kv_heads
    peers: dict[str, Callable[[], Results]] = {REGARD: partial(given.attend, mask=mask)}
    for name in given.kernels(mask=mask):
        peers[f"{REGARD}, kernel={name!r}"] = partial(given.attend, mask=mask, kernel=name)
    peers[SDPA] = lambda: given.back(sdpa(*given.leaves, attn_mask=dense, enable_gqa=shared))
    ready = None if dense is None else torch.zeros(dense.shape, dtype=dtype).masked_fill(~dense, -torch.inf)
    peers[PRODUCTS] = lambda: (products(*given.leaves, ready),)
    formula = Formula(allowed=partial(_until, shape))
    return Case(
        name=f"{NAMES[dtype]}, {shape}",
        peers=peers,
        against=SDPA,
        truth=lambda: formula.output(*given.leaves),
        tolerance=TOLERANCES[dtype],
        calls=max(1, WORTH // (shape.keys * shape.heads)),
    )


def products(query: Tensor, key: Tensor, value: Tensor, added: Tensor | None) -> Tensor:
    """softmax(q · k / sqrt(dim) + added) · v for few queries; `added` is (query_len, key_len)."""
    batch, heads, queries, dim = query.shape
    more = heads // key.shape[1]
    rows = query.reshape(batch, key.shape[1], more * queries, dim) * dim**-0.5
    scores = rows @ key.mT
    if added is not None:
        scores = scores + added.repeat(more, 1)
    return (scores.softmax(-1) @ value).reshape(batch, heads, queries, value.shape[3])


def _until(shape: Shape, rows: range) -> Tensor:
    places = torch.arange(rows.start, rows.stop)[:, None] + shape.keys - shape.queries
    return torch.arange(shape.keys) <= places


def goals(report: Report, made: Case, dtype: torch.dtype) -> None:
    report.goals.append(Goal(f"{made.name}: time, of SDPA's", report.ratio(made.name, REGARD), LIMITS[dtype]))
    if dtype is torch.bfloat16:
        report.goals.append(
            Goal(
                f"{made.name}: error, of SDPA's", report.error(made.name, REGARD) / report.error(made.name, SDPA), 1.05
            )
        )


def main() -> int:
    asked, folder = record.start(__doc__)
    rounds = Rounds(min(asked.kept, KEPT), asked.warmup)
    report = Report("decoding")
    lengths = LENGTHS[:1] if asked == SMOKE else LENGTHS
    for dtype in TOLERANCES:
        for keys in lengths:
            made = case(Shape(queries=1, keys=keys), dtype)
            report.cases.append(run(made, rounds))
            if dtype in LIMITS:
                goals(report, made, dtype)
        for shape in OTHERS:
            report.cases.append(run(case(shape, dtype), rounds))
    return record.finish(report, rounds, folder)


if __name__ == "__main__":
    sys.exit(main())
