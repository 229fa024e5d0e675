"""Structured masks and biases: `regard.attend` against SDPA with the same structure as a dense array.

SDPA is timed twice: with its array lying ready, and with the array made in the call, as a model that gets lengths or
documents has to. Cases where regard is slower are listed with the others.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention as sdpa

import regard
from benchmarks import memory, record, truth
from benchmarks.harness import Case, Report, Results, run

REGARD, READY, MADE = "regard.attend", "SDPA, array ready", "SDPA, array made in the call"
Spec = tuple["regard.Mask | None", "regard.Bias | None", Callable[[], Tensor]]  # and the dense array for SDPA


def padded_causal(batch: int, length: int) -> Spec:
    """Items of the batch have from half to all of `length` keys."""
    lengths = torch.linspace(length // 2, length, batch).long()
    index = torch.arange(length)

    def dense() -> Tensor:
        return (index <= index[:, None]) & (index < lengths[:, None, None, None])

    return regard.Causal() & regard.Padding(lengths), None, dense


def alibi(batch: int, length: int) -> Spec:
    """Causal, with a slope a head (8 heads)."""
    slopes, index = regard.ALiBi.for_heads(8), torch.arange(length)

    def dense() -> Tensor:
        far = (index - index[:, None]).float()
        return (slopes.slopes[:, None, None] * -far.abs()).masked_fill(far > 0, -torch.inf)[None]

    return regard.Causal(), slopes, dense


def window(batch: int, length: int) -> Spec:
    """The last 256 keys, self included."""
    index = torch.arange(length)

    def dense() -> Tensor:
        behind = index[:, None] - index
        return (behind >= 0) & (behind < 256)

    return regard.Window(255, 0), None, dense


def documents(batch: int, length: int) -> Spec:
    """Eight documents of one length packed into a row, causal inside."""
    ids, index = torch.arange(length) // (length // 8), torch.arange(length)
    return regard.Documents(ids) & regard.Causal(), None, lambda: (ids == ids[:, None]) & (index <= index[:, None])


def scattered(batch: int, length: int) -> Spec:
    """Half of all entries at random, given as a dense array: nothing to skip."""
    allowed = torch.rand(length, length, generator=torch.Generator().manual_seed(0)) < 0.5
    return regard.Dense(allowed), None, lambda: allowed


KINDS = {
    "padded and causal": padded_causal,
    "ALiBi, causal": alibi,
    "window of 256": window,
    "8 documents, causal": documents,
    "half at random": scattered,
}


def case(*, kind: str, batch: int, length: int, gradient: bool = False, dim: int = 64) -> Case:
    """8 heads, float32, self-attention."""
    made = torch.Generator().manual_seed(length)
    query, key, value, pull = (torch.randn(batch, 8, length, dim, generator=made) for _ in range(4))
    leaves = tuple(t.requires_grad_(gradient) for t in (query, key, value))
    mask, bias, dense = KINDS[kind](batch, length)
    kept: list[Tensor] = []

    def ours() -> Results:
        return back(regard.attend(query, key, value, mask=mask, bias=bias))

    def ready() -> Results:
        if not kept:  # made at the gate, before any time is taken
            kept.append(dense())
        return back(sdpa(query, key, value, attn_mask=kept[0]))

    def back(output: Tensor) -> Results:
        return (output, *torch.autograd.grad(output, leaves, pull)) if gradient else (output,)

    def expected() -> Results:
        array = dense()
        names = {"allowed": array} if array.dtype == torch.bool else {"bias": array.double()}
        wide = truth.wide(*leaves)
        if gradient:
            return truth.with_gradients(lambda *t: truth.attention(*t, **names), wide, pull.double())
        with torch.no_grad():
            return (truth.attention(*wide, **names),)

    peers = {REGARD: ours, READY: ready, MADE: lambda: back(sdpa(query, key, value, attn_mask=dense()))}
    name = f"{kind}, {batch} x {length:,}" + (", with gradients" if gradient else "")
    return Case(name=name, peers=peers, against=READY, truth=expected, tolerance=2e-5)


def main() -> int:
    rounds, folder = record.start(__doc__)
    report = Report("streaming")
    for kind in KINDS:
        for batch, length in ((4, 128), (2, 1024), (1, 4096)):
            report.cases.append(run(case(kind=kind, batch=batch, length=length), rounds))
        report.cases.append(run(case(kind=kind, batch=2, length=1024, gradient=True), rounds))
    for kind in KINDS:
        for gradient in (False, True):
            small = {"kind": kind, "batch": 1, "length": 128, "gradient": gradient}
            name = f"{kind}, 1 x 4,096" + (", with gradients" if gradient else "")
            memory.job(
                report.memory,
                name,
                "streaming",
                "case",
                peers=(REGARD, MADE),
                small=small,
                real={**small, "length": 4096},
            )
    return record.finish(report, rounds, folder)


if __name__ == "__main__":
    sys.exit(main())
