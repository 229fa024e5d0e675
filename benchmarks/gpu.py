"""The kernels for GPUs: FlexAttention as regard calls it, and regard's Triton kernels, against torch's own ways.

Needs a CUDA GPU and triton; nothing here has been run on one yet. SDPA gets the mask as a dense array that lies ready;
"FlexAttention by hand" is torch's, compiled for the one shape, its block mask ready. What regard makes of the mask in
each call is part of its time. First calls, in which kernels are compiled, are timed apart.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention as sdpa

import regard
from benchmarks import record, truth
from benchmarks.harness import Case, Report, Results, run

SDPA, BY_HAND = "SDPA, array ready", "FlexAttention by hand"
FLEX, TRITON, OBSERVED = "regard, flex", "regard, triton", "regard, triton with statistics"
TOLERANCE = {torch.float32: 2e-5, torch.bfloat16: 2e-2, torch.float16: 4e-3}
NO_GPU = "no CUDA GPU: these kernels run on one alone (on a CPU: `make test` runs them in Triton's interpreter)"


@dataclass(frozen=True)
class Shape:
    """Self-attention of one sequence."""

    kind: str
    length: int
    heads: int = 8
    kv_heads: int = 8
    dim: int = 64
    dtype: torch.dtype = torch.bfloat16
    gradient: bool = False

    @property
    def name(self) -> str:
        heads = f"{self.heads} heads over {self.kv_heads}, " if self.heads != self.kv_heads else ""
        more = ", with gradients" if self.gradient else ""
        return f"{self.kind}, {self.length:,}, {heads}{str(self.dtype)[6:]}{more}"


SHAPES = (
    *(Shape("window of 256", 8192, dtype=dtype) for dtype in (torch.bfloat16, torch.float32)),
    Shape("window of 256", 8192, gradient=True),
    Shape("window of 512", 16384, heads=4, kv_heads=1, dim=256),  # as in Gemma 3 270M
    Shape("causal", 8192),
    Shape("64 documents, causal", 8192),
    Shape("64 documents, causal", 8192, gradient=True),
)
OBSERVED_SHAPES = (Shape("window of 256", 8192), Shape("causal", 8192))


def mask_of(shape: Shape, device: str) -> regard.Mask:
    """The spec of a kind."""
    if shape.kind.startswith("window"):
        return regard.Window(int(shape.kind.rsplit(" ", 1)[1]) - 1, 0)
    if shape.kind == "causal":
        return regard.Causal()
    ids = torch.arange(shape.length, device=device) * 64 // shape.length
    return regard.Documents(ids) & regard.Causal()


def dense(shape: Shape, device: str) -> Tensor:
    """(length, length) bool, from the kind's own formula: it shares nothing with the spec."""
    index = torch.arange(shape.length, device=device)
    behind = index[:, None] - index
    if shape.kind.startswith("window"):
        return (behind >= 0) & (behind < int(shape.kind.rsplit(" ", 1)[1]))
    own = index * 64 // shape.length
    return (behind >= 0) & ((own[:, None] == own) if "documents" in shape.kind else True)


def inputs(shape: Shape, device: str) -> tuple[Tensor, ...]:
    """query, key, value, and a gradient for the output."""
    made = torch.Generator().manual_seed(shape.length)
    heads = (shape.heads, shape.kv_heads, shape.kv_heads, shape.heads)
    tensors = [torch.randn(1, count, shape.length, shape.dim, generator=made) for count in heads]
    moved = [t.to(device, shape.dtype) for t in tensors]
    return (*(t.requires_grad_(shape.gradient) for t in moved[:3]), moved[3])


def case(shape: Shape, device: str = "cuda") -> Case:
    """All ways that can do it; each waits for the GPU before its clock stops."""
    *leaves, pull = inputs(shape, device)
    query, key, value = leaves
    mask = mask_of(shape, device)

    def timed(output: Callable[[], Tensor]) -> Callable[[], Results]:
        def peer() -> Results:
            made = output()
            found = (made, *torch.autograd.grad(made, leaves, pull)) if shape.gradient else (made,)
            _wait(device)
            return found

        return peer

    def kernel(name: str) -> Callable[[], Tensor]:
        return lambda: regard.attend(query, key, value, mask=mask, kernel=name)

    @cache
    def ready() -> Tensor:
        return dense(shape, device)

    def plain() -> Tensor:
        return sdpa(query, key, value, attn_mask=ready(), enable_gqa=shape.heads != shape.kv_heads)

    peers = {SDPA: timed(plain), BY_HAND: timed(by_hand(shape, device, query, key, value)), FLEX: timed(kernel("flex"))}
    if "documents" not in shape.kind:
        peers[TRITON] = timed(kernel("triton"))
    return Case(
        name=shape.name, peers=peers, against=SDPA, truth=expected(shape, device), tolerance=TOLERANCE[shape.dtype]
    )


def by_hand(shape: Shape, device: str, *inputs: Tensor) -> Callable[[], Tensor]:
    """torch's FlexAttention, compiled for this shape, with a block mask of torch's own making."""
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    packed = "documents" in shape.kind
    own = torch.arange(shape.length, device=device) * 64 // shape.length
    reach = int(shape.kind.rsplit(" ", 1)[1]) if "window" in shape.kind else shape.length

    def mod(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
        inside = (k <= q) & (q - k < reach)
        return inside & (own[q] == own[k]) if packed else inside

    blocks = create_block_mask(mod, None, None, shape.length, shape.length, device=device)
    compiled: Any = torch.compile(flex_attention) if device == "cuda" else flex_attention
    return lambda: compiled(*inputs, block_mask=blocks, enable_gqa=shape.heads != shape.kv_heads)


def expected(shape: Shape, device: str) -> Callable[[], Results]:
    """The formula in float64, a head at a time."""

    def found() -> Results:
        *leaves, pull = inputs(shape, device)
        wide = truth.wide(*leaves)
        shared = shape.heads // shape.kv_heads
        allowed = dense(shape, device)

        def call(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            repeated = (t.repeat_interleave(shared, 1) for t in (key, value))
            return truth.attention(query, *repeated, allowed=allowed)

        if shape.gradient:
            return truth.with_gradients(call, wide, pull.double())
        with torch.no_grad():
            return (call(*wide),)

    return found


def observed_case(shape: Shape, device: str = "cuda") -> Case:
    """Output and statistics in one kernel, against the output alone. The gate looks at the output."""
    from regard.kernels.triton import observed
    from regard.spec import request

    query, key, value, _ = inputs(shape, device)
    mask = mask_of(shape, device)

    def seen() -> Results:
        found = observed.observe(request(query, key, value, mask=mask)).output
        _wait(device)
        return (found,)

    alone = case(shape, device)
    peers = {name: alone.peers[name] for name in (SDPA, TRITON)} | {OBSERVED: seen}
    name = f"observed: {shape.name}"
    return Case(name=name, peers=peers, against=TRITON, truth=alone.truth, tolerance=alone.tolerance)


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def compiled(report: Report, made: Case) -> Case:
    """Call each way once and note how long the first call took."""
    for name, peer in made.peers.items():
        start = time.perf_counter()
        peer()
        report.beside(made.name, f"{name}, first call", time.perf_counter() - start)
    return made


def main() -> int:
    rounds, folder = record.start(__doc__)
    if not torch.cuda.is_available():
        print(NO_GPU, file=sys.stderr)
        return 2
    report = Report("gpu")
    report.apart.append({"name": "device", "what": torch.cuda.get_device_name(), "seconds": 0.0})
    for shape in SHAPES:
        report.cases.append(run(compiled(report, case(shape)), rounds))
    for shape in OBSERVED_SHAPES:
        report.cases.append(run(compiled(report, observed_case(shape)), rounds))
    return record.finish(report, rounds, folder)


if __name__ == "__main__":
    sys.exit(main())
