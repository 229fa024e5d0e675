"""Sliding windows: `regard.attend(mask=Window(...))` against SDPA with the same dense mask, compiled FlexAttention, and
lucidrains' local-attention.

`Window(256, 0)` is the query's own key and 256 before it, 257 keys: what local-attention means by an exact window of
256, so that all peers compute the same. local-attention is timed as its users write it, in blocks of the window's size,
and again in blocks of a quarter of it, which is faster. FlexAttention's time to compile is reported apart; on a CPU it
has no gradient. SDPA's dense mask lies ready before the clock starts.

Goals, window 256 of 8,192, 8 heads of 64, float32: at most 1/12 of SDPA with the dense mask, no slower than compiled
FlexAttention, at most 1/3 of local-attention.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention as sdpa

import regard
from benchmarks import record
from benchmarks.harness import SMOKE, Case, Goal, Report, Results, Rounds, run
from benchmarks.inputs import Inputs, Shape
from benchmarks.strips import Formula

try:
    from local_attention import LocalAttention
except ImportError:
    sys.exit(
        "this benchmark needs local-attention: make an environment from benchmarks/requirements.txt "
        "(benchmarks/README.md)"
    )

REGARD, DENSE, FLEX = "regard.attend", "SDPA, dense mask", "compiled FlexAttention"
LOCAL, FINER = "local-attention", "local-attention, blocks of a quarter"
TRIANGLE = "SDPA, causal"
KEPT = 9  # rounds: one takes several seconds
Peers = dict[str, Callable[[], Results]]


@dataclass(frozen=True, kw_only=True)
class Band:
    """Which keys a query sees: `before` behind it, `after` ahead, itself, and the first `sinks` that are not ahead."""

    shape: Shape
    before: int
    after: int = 0
    sinks: int = 0

    def __str__(self) -> str:
        reach = f"{self.before}" if not self.after else f"{self.before} both ways"
        return f"window {reach}{f' and {self.sinks} sinks' if self.sinks else ''} of {self.shape}"

    @property
    def mask(self) -> regard.Mask:
        window = regard.Window(self.before, self.after)
        return window | regard.Sinks(self.sinks) if self.sinks else window

    def allowed(self, query: Tensor, key: Tensor) -> Tensor:
        """bool; both are places, broadcast."""
        behind = query - key
        return ((behind >= -self.after) & (behind <= self.before)) | ((key < self.sinks) & (behind >= 0))

    def strip(self, rows: range) -> Tensor:
        return self.allowed(torch.arange(rows.start, rows.stop)[:, None], torch.arange(self.shape.keys))

    @property
    def formula(self) -> Formula:
        return Formula(allowed=self.strip)


PROMISED = Band(shape=Shape(queries=8192, keys=8192), before=256)
BANDS = (
    PROMISED,
    Band(shape=Shape(queries=4096, keys=4096), before=64),
    Band(shape=Shape(queries=8192, keys=8192, heads=4, kv_heads=1, dim=256), before=512),  # Gemma 3's shape
    Band(shape=Shape(queries=8192, keys=8192), before=64, after=64),  # ModernBERT's "local attention 128"
    Band(shape=Shape(queries=8192, keys=8192), before=256, sinks=4),
)
TRAINED = (PROMISED, BANDS[3])
SMALL = (
    Band(shape=Shape(queries=1024, keys=1024), before=64),
    Band(shape=Shape(queries=512, keys=512), before=32, sinks=4),
)


def case(band: Band, *, gradient: bool, flex: Callable[..., Tensor] | None = None) -> Case:
    """Every peer on one band."""
    given = Inputs.of(band.shape, gradient=gradient)
    shared = band.shape.heads != band.shape.kv_heads
    dense = band.strip(range(band.shape.queries))
    peers: Peers = {REGARD: lambda: given.attend(mask=band.mask)}
    for name in given.kernels(mask=band.mask):
        peers[f"{REGARD}, kernel={name!r}"] = partial(given.attend, mask=band.mask, kernel=name)
    peers[DENSE] = lambda: given.back(sdpa(*given.leaves, attn_mask=dense, enable_gqa=shared))
    if not band.sinks:
        for name, parts in ((LOCAL, 1), (FINER, 4)):
            peers[name] = partial(_local, local(band, parts), given)
    if flex is not None:
        peers[FLEX] = lambda: given.back(flex(*given.leaves))

    def expected() -> Results:
        return band.formula.gradients(*given.leaves, given.pull) if gradient else band.formula.output(*given.leaves)

    name = f"{band}{', forward and backward' if gradient else ''}"
    return Case(name=name, peers=peers, against=DENSE, truth=expected, tolerance=2e-5)


def local(band: Band, parts: int) -> LocalAttention:
    """local-attention in blocks of `before / parts` keys, looking as many blocks back and ahead as give the window."""
    size = band.before // parts
    return LocalAttention(
        size,
        causal=not band.after,
        look_backward=parts,
        look_forward=band.after // size,
        exact_windowsize=True,
    )


def _local(layer: LocalAttention, given: Inputs) -> Results:
    """It knows no grouped heads: keys and values are repeated."""
    more = given.query.shape[1] // given.key.shape[1]
    key, value = (t.repeat_interleave(more, 1) if more > 1 else t for t in (given.key, given.value))
    return given.back(layer(given.query, key, value))


def compiled(band: Band) -> tuple[Callable[..., Tensor], float, float]:
    """FlexAttention for the band, compiled from nothing: (the call, seconds to lay out its blocks, seconds to compile).

    The second is that of the first call, which compiles, less that of the next.
    """
    from torch._inductor.utils import fresh_cache
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    torch.compiler.reset()
    length, shared = band.shape.keys, band.shape.heads != band.shape.kv_heads
    start = time.perf_counter()
    blocks = create_block_mask(lambda b, h, q, k: band.allowed(q, k), None, None, length, length, device="cpu")
    laid = time.perf_counter() - start
    made: Any = torch.compile(flex_attention, dynamic=False)
    call = partial(made, block_mask=blocks, enable_gqa=shared)
    given, seconds = Inputs.of(band.shape), []
    with fresh_cache():  # else a second run would report no time to compile
        for _ in range(2):
            start = time.perf_counter()
            call(*given.leaves)
            seconds.append(time.perf_counter() - start)
    return call, laid, seconds[0] - seconds[1]


def triangle(shape: Shape) -> Case:
    """For reference: SDPA on all keys before each query, twice as many scores as it would need for nothing."""
    given = Inputs.of(shape)
    peers: Peers = {TRIANGLE: lambda: given.back(sdpa(*given.leaves, is_causal=True))}
    keys = torch.arange(shape.keys)
    formula = Formula(allowed=lambda rows: keys <= torch.arange(rows.start, rows.stop)[:, None])
    return Case(
        name=f"no window, causal, of {shape}",
        peers=peers,
        against=TRIANGLE,
        truth=lambda: formula.output(*given.leaves),
        tolerance=2e-5,
    )


def goals(report: Report, promised: Case) -> None:
    """Of regard's time to each peer's, in the case that the promises are about."""
    for peer, limit in ((DENSE, 1 / 12), (FLEX, 1.0), (LOCAL, 1 / 3), (FINER, 1.0)):
        if peer in promised.peers:
            share = report.seconds(promised.name, REGARD) / report.seconds(promised.name, peer)
            report.goals.append(Goal(f"{promised.name}: regard's time of that of {peer}", share, limit))


def main() -> int:
    asked, folder = record.start(__doc__)
    smoke = asked == SMOKE
    rounds = Rounds(min(asked.kept, KEPT), min(asked.warmup, 2))
    report = Report("windowed")
    bands, trained = (SMALL, SMALL[:1]) if smoke else (BANDS, TRAINED)
    for band in bands:
        flex = None
        if not smoke or band is bands[0]:
            flex, laid, seconds = compiled(band)
            report.beside(str(band), "FlexAttention's block mask", laid)
            report.beside(str(band), "compiling FlexAttention", seconds)
        made = case(band, gradient=False, flex=flex)
        report.cases.append(run(made, rounds))
        if band is bands[0]:
            goals(report, made)
    report.cases.append(run(triangle(bands[0].shape), rounds))
    for band in trained:
        made = case(band, gradient=True)
        report.cases.append(run(made, rounds))
        goals(report, made)
    return record.finish(report, rounds, folder)


if __name__ == "__main__":
    sys.exit(main())
