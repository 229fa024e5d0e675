"""On SDPA's own ground: `regard.attend` against torch's scaled_dot_product_attention, which it calls underneath.

Goals: at most 20 microseconds added to a tiny call; at most 3 % slower from 1,024 keys up.
"""

from __future__ import annotations

import sys

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention as sdpa

import regard
from benchmarks import record, truth
from benchmarks.harness import Case, Goal, Report, Results, Rounds, run

REGARD, TORCH = "regard.attend", "torch SDPA"


def case(
    *, length: int, heads: int = 8, dim: int = 64, causal: bool = False, gradient: bool = False, calls: int = 1
) -> Case:
    """Self-attention of one sequence, float32."""
    made = torch.Generator().manual_seed(length)
    query, key, value, pull = (torch.randn(1, heads, length, dim, generator=made) for _ in range(4))
    leaves = tuple(t.requires_grad_(gradient) for t in (query, key, value))
    mask = regard.Causal() if causal else None

    def ours() -> Results:
        return back(regard.attend(query, key, value, mask=mask))

    def torchs() -> Results:
        return back(sdpa(query, key, value, is_causal=causal))

    def back(output: Tensor) -> Results:
        return (output, *torch.autograd.grad(output, leaves, pull)) if gradient else (output,)

    def expected() -> Results:
        allowed = torch.ones(length, length, dtype=torch.bool).tril() if causal else None
        q, k, v = truth.wide(*leaves)
        if gradient:
            return truth.with_gradients(lambda *t: truth.attention(*t, allowed=allowed), (q, k, v), pull.double())
        with torch.no_grad():
            return (truth.attention(q, k, v, allowed=allowed),)

    words = f"{length:,} keys" if heads == 8 else f"tiny call, 1 x {heads} x {length} x {dim}"
    name = words + (", causal" if causal else "") + (", with gradients" if gradient else "")
    peers = {REGARD: ours, TORCH: torchs}
    return Case(name=name, peers=peers, against=TORCH, truth=expected, tolerance=1e-5, calls=calls)


def main() -> int:
    rounds, folder = record.start(__doc__)
    report = Report("overhead")
    for causal in (False, True):
        tiny = case(length=4, heads=1, dim=8, causal=causal, calls=2000)
        report.cases.append(run(tiny, rounds))
        added = report.seconds(tiny.name, REGARD) - report.seconds(tiny.name, TORCH)
        report.goals.append(Goal(f"added to a {tiny.name}", added * 1e6, 20.0, "µs"))
    for causal in (False, True):
        for length in (1024, 2048, 4096):
            _large(report, rounds, case(length=length, causal=causal))
    _large(report, rounds, case(length=1024, causal=True, gradient=True))
    return record.finish(report, rounds, folder)


def _large(report: Report, rounds: Rounds, large: Case) -> None:
    report.cases.append(run(large, rounds))
    report.goals.append(Goal(f"time at {large.name}, of SDPA's", report.ratio(large.name, REGARD), 1.03))


if __name__ == "__main__":
    sys.exit(main())
