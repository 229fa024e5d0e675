"""What a kernel is launched with: tensors with their strides, the call's numbers, and the sizes of its blocks.

The named tuples travel into the kernels as they are. Nothing here imports triton.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from regard.kernels.triton.band import Band

LEAST = 16  # the smallest matrix side that a GPU multiplies


class Four(NamedTuple):
    """A tensor (batch, heads, length, size) and its strides, in entries."""

    at: Tensor
    batch: int
    head: int
    row: int
    col: int


class Seen(NamedTuple):
    """Where the observing kernel writes, float32 without gaps: (batch, heads, query_len), and received to the keys."""

    lse: Tensor
    entropy: Tensor
    distance: Tensor
    received: Tensor  # (batch, heads, key_len), to begin as 0


class Known(NamedTuple):
    """What the backward kernels know of each row, float32 (batch, heads, query_len) without gaps."""

    lse: Tensor
    delta: Tensor


class Into(NamedTuple):
    """Where a backward kernel writes the gradients of key and value."""

    key: Four
    value: Four


class Call(NamedTuple):
    """The numbers of one call."""

    heads: int
    groups: int  # query heads to a key head
    query_len: int
    key_len: int
    dim: int
    value_dim: int
    start: int  # position of the first query
    before: int
    after: int
    scale: float
    cap: float  # softcap; read only where the kernel is compiled with one


@dataclass(frozen=True)
class Blocks:
    """Queries and keys of a block, and how a GPU is to run it."""

    rows: int
    cols: int
    warps: int
    stages: int


# By bytes of an entry and by the largest size of the vectors. The largest of those tried that the compiler keeps in
# registers (at most 128 bytes spilled, compute capability 8.0); which is fastest has not been measured.
_FORWARD = {
    2: {64: Blocks(128, 64, 8, 2), 128: Blocks(64, 64, 8, 2), 256: Blocks(32, 32, 8, 2)},
    4: {64: Blocks(32, 32, 4, 2), 128: Blocks(32, 32, 8, 2)},
}
_BACKWARD = {
    2: {128: Blocks(64, 64, 8, 1), 256: Blocks(32, 32, 8, 1)},
    4: {64: Blocks(32, 32, 4, 1), 128: Blocks(32, 32, 8, 1)},
}
_WIDER = Blocks(16, 16, 8, 1)


def blocks(dim: int, value_dim: int, dtype: torch.dtype) -> Blocks:
    """Blocks of a forward kernel: they fit the 99 KiB of shared memory that every GPU from 2020 on has."""
    return _fitting(_FORWARD, max(dim, value_dim), dtype)


def backward_blocks(dim: int, value_dim: int, dtype: torch.dtype) -> Blocks:
    """As `blocks`, for the backward kernels, which hold more at once."""
    return _fitting(_BACKWARD, max(dim, value_dim), dtype)


def _fitting(table: dict[int, dict[int, Blocks]], size: int, dtype: torch.dtype) -> Blocks:
    return next((found for limit, found in table.get(dtype.itemsize, {}).items() if size <= limit), _WIDER)


def four(tensor: Tensor) -> Four:
    return Four(tensor, *tensor.stride())


def call(query: Tensor, key: Tensor, value: Tensor, start: int, reach: Band, scale: float, cap: float | None) -> Call:
    return Call(
        heads=query.shape[1],
        groups=query.shape[1] // key.shape[1],
        query_len=query.shape[2],
        key_len=key.shape[2],
        dim=query.shape[3],
        value_dim=value.shape[3],
        start=start,
        before=reach.before,
        after=reach.after,
        scale=scale,
        cap=1.0 if cap is None else cap,
    )


def room(like: Tensor, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
    """Memory that a kernel is to fill: whatever was there before."""
    return torch.empty(shape, dtype=dtype or like.dtype, device=like.device)


def wide(size: int) -> int:
    """The power of two that holds `size`, at least `LEAST`: the sizes that Triton computes in."""
    return max(LEAST, 1 << (size - 1).bit_length()) if size else LEAST


def on(tensor: Tensor) -> AbstractContextManager[object]:
    """Triton launches on the current GPU, not on the one that its tensors lie on."""
    return torch.cuda.device(tensor.device) if tensor.is_cuda else nullcontext()
