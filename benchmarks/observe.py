"""Where attention goes: `regard.observe` beside torch's SDPA (the output alone) and beside eager weights.

The first case gates the figures themselves: lse, entropy, distance and mass received, and the eight heaviest weights
of every query, of regard and of weights laid out whole, each against float64. The second times; there every peer gives
the output, so that SDPA, which gives nothing else, can be the measure.

Goals, 8 heads x 4,096 x 64: figures at most 1.6 times SDPA, with the top 8 at most 2.0, a 5 % sample at most 1.1; eager
weights with the same figures at least 3 times regard's time. At most 200 MB beyond inputs and output at 32,768 tokens.
"""

from __future__ import annotations

import sys

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention as sdpa

import regard
from benchmarks import memory, record
from benchmarks.harness import Case, Goal, Report, Results, Rounds, run

SDPA, EAGER, EAGER_TOP = "torch SDPA, output alone", "eager weights", "eager weights, top 8"
FIGURES, TOP, MAP, SAMPLE = (
    "regard.observe",
    "regard.observe, top 8",
    "regard.observe, map 64 x 64",
    "regard.observe, 5 %",
)
HEADS, DIM, COUNT = 8, 64, 8
MB = 1e6


def inputs(length: int) -> tuple[Tensor, Tensor, Tensor]:
    made = torch.Generator().manual_seed(length)
    query, key, value = (torch.randn(1, HEADS, length, DIM, generator=made) for _ in range(3))
    return query, key, value


def eager(query: Tensor, key: Tensor, value: Tensor, *, causal: bool, top: int = COUNT) -> Results:
    """Output, lse, entropy, distance, mass received, and the heaviest weights, from the whole matrix."""
    scores = query @ key.mT / query.shape[-1] ** 0.5
    places = torch.arange(query.shape[2])
    if causal:
        scores = scores.masked_fill(places > places[:, None], -torch.inf)
    lse = scores.logsumexp(-1)
    weights = scores.softmax(-1)
    entropy = torch.special.entr(weights).sum(-1)
    distance = (weights * (places - places[:, None]).abs()).sum(-1)
    heaviest = (weights.topk(top, -1).values,) if top else ()
    return (weights @ value, lse, entropy, distance, weights.sum(-2), *heaviest)


def observed(query: Tensor, key: Tensor, value: Tensor, *, causal: bool, top: int = COUNT) -> Results:
    """The same from regard."""
    mask = regard.Causal() if causal else None
    out, seen = regard.observe(query, key, value, mask=mask, top=top)
    heaviest = () if seen.top_weights is None else (seen.top_weights,)
    return (out, seen.lse, seen.entropy, seen.distance, seen.received, *heaviest)


def figures(*, length: int, causal: bool = False) -> Case:
    """Every figure, the top 8 among them, of regard and of eager weights."""
    given = inputs(length)

    def expected() -> Results:
        heads = (eager(*(t[:, h : h + 1].double() for t in given), causal=causal) for h in range(HEADS))
        return tuple(torch.cat(parts, 1) for parts in zip(*heads, strict=True))

    peers = {TOP: lambda: observed(*given, causal=causal), EAGER_TOP: lambda: eager(*given, causal=causal)}
    name = f"every figure and the top 8, {length:,} tokens{', causal' if causal else ''}"
    return Case(name=name, peers=peers, against=TOP, truth=expected, tolerance=1e-5)


def beside_sdpa(*, length: int, causal: bool = False, weights: bool = True) -> Case:
    """Times of what gives the output and more; the figures are gated in `figures`."""
    given = inputs(length)
    mask = regard.Causal() if causal else None
    peers = {
        SDPA: lambda: (sdpa(*given, is_causal=causal),),
        FIGURES: lambda: (regard.observe(*given, mask=mask)[0],),
        TOP: lambda: (regard.observe(*given, mask=mask, top=COUNT)[0],),
        MAP: lambda: (regard.observe(*given, mask=mask, bins=(64, 64))[0],),
        SAMPLE: lambda: (regard.observe(*given, mask=mask, sample=0.05)[0],),
    }
    if weights:
        peers[EAGER] = lambda: (eager(*given, causal=causal, top=0)[0],)

    def expected() -> Results:
        heads = (eager(*(t[:, h : h + 1].double() for t in given), causal=causal, top=0)[0] for h in range(HEADS))
        return (torch.cat(list(heads), 1),)

    name = f"beside the output, {length:,} tokens{', causal' if causal else ''}"
    return Case(name=name, peers=peers, against=SDPA, truth=expected, tolerance=1e-5)


def main() -> int:
    rounds, folder = record.start(__doc__)
    rounds = Rounds(min(rounds.kept, 9), rounds.warmup)  # a round takes several seconds
    report = Report("observe")
    for causal in (False, True):
        report.cases.append(run(figures(length=2048, causal=causal), rounds))
        timed = beside_sdpa(length=4096, causal=causal)
        report.cases.append(run(timed, rounds))
        if not causal:
            limits = ((FIGURES, 1.6), (TOP, 2.0), (SAMPLE, 1.1))
            for peer, limit in limits:
                report.goals.append(Goal(f"time of {peer}, of SDPA's", report.ratio(timed.name, peer), limit))
            share = report.seconds(timed.name, FIGURES) / report.seconds(timed.name, EAGER)
            report.goals.append(Goal("time of regard.observe, of eager weights'", share, 1 / 3))
    memory.job(
        report.memory,
        "32,768 tokens, beyond inputs and output",
        "observe",
        "beside_sdpa",
        peers=(SDPA, FIGURES, TOP, MAP),
        small={"length": 257, "weights": False},
        real={"length": 32768, "weights": False},
    )
    for peer in (FIGURES, TOP, MAP):
        extra = report.extra_bytes("32,768 tokens, beyond inputs and output", peer) / MB
        report.goals.append(Goal(f"memory of {peer}, 32,768 tokens", extra, 200.0, "MB"))
    return record.finish(report, rounds, folder)


if __name__ == "__main__":
    sys.exit(main())
