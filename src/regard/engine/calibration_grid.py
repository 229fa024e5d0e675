"""What is measured to calibrate: requests of many shapes, masks, dtypes and both directions, as data."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from regard.spec.bias import ALiBi
from regard.spec.mask import Mask
from regard.spec.membership import Documents
from regard.spec.padding import Padding
from regard.spec.positional import Causal, Dilated, Grid2D, Prefix, Sinks, Window
from regard.spec.request import Request, request
from regard.spec.score import Additive, ScaledDot, Score

Shape = tuple[int, int, int, int, int, int]  # batch, heads, kv_heads, query_len, key_len, dim
Family = tuple[tuple[Shape, Mask | None], ...]  # of one kind of mask


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request without its tensors."""

    shape: Shape
    mask: Mask | None
    dtype: torch.dtype
    gradient: bool
    additive: bool = False
    alibi: bool = False  # with a bias for each head

    def request(self, pool: Tensor) -> Request:
        """The request itself, on slices of `pool`, random numbers of the dtype: no memory is taken."""
        batch, heads, kv_heads, query_len, key_len, dim = self.shape
        shapes = ((batch, heads, query_len, dim), *[(batch, kv_heads, key_len, dim)] * 2)
        tensors, start = [], 0
        for shape in shapes:
            size = torch.Size(shape).numel()
            tensors.append(pool[start : start + size].view(shape).requires_grad_(self.gradient))
            start += size
        score: Score = Additive(pool[:dim]) if self.additive else ScaledDot()
        return request(*tensors, score=score, mask=self.mask, bias=ALiBi.for_heads(heads) if self.alibi else None)

    def words(self) -> str:
        """The request on a line."""
        batch, heads, kv_heads, query_len, key_len, dim = self.shape
        parts = [f"query ({batch}, {heads}, {query_len}, {dim}), key ({batch}, {kv_heads}, {key_len}, {dim})"]
        parts += [str(self.dtype).removeprefix("torch.")]
        parts += ["additive"] if self.additive else []
        parts += ["ALiBi"] if self.alibi else []
        parts += [] if self.mask is None else [self.mask.words()]
        parts += ["with gradient"] if self.gradient else []
        return ", ".join(parts)

    @property
    def elements(self) -> int:
        """How many numbers query, key and value hold together."""
        batch, heads, kv_heads, query_len, key_len, dim = self.shape
        return batch * dim * (heads * query_len + 2 * kv_heads * key_len)


def grid() -> list[Asked]:
    """Every request that is measured: all of them in float32, every so-many-th of each family of masks elsewhere."""
    made: list[Asked] = []
    for part in _PARTS:
        for family in _FAMILIES:
            made += part.of(family[:: min(part.step, len(family) // 3)])
        for family in _OWN_KERNELS:
            made += part.of(family)
        made += [] if part.gradient else part.of(_FEW)  # a decoder's single steps are never trained
        made += part.of(_BIASED[:: min(part.step, 2)], alibi=True)
        made += part.of(_ADDITIVE, additive=True)
    return made


@dataclass(frozen=True)
class _Part:
    """What is measured in one dtype and direction."""

    dtype: torch.dtype
    gradient: bool
    step: int  # every how-many-th request of a family
    most: int  # millions of scores in the whole square

    def of(self, family: Family, *, additive: bool = False, alibi: bool = False) -> list[Asked]:
        return [
            Asked(shape=shape, mask=mask, dtype=self.dtype, gradient=self.gradient, additive=additive, alibi=alibi)
            for shape, mask in family
            if shape[0] * shape[1] * shape[3] * shape[4] <= self.most << 20
        ]


_PARTS = (
    _Part(torch.float32, gradient=False, step=1, most=512),
    _Part(torch.float32, gradient=True, step=1, most=20),
    _Part(torch.bfloat16, gradient=False, step=1, most=64),
    _Part(torch.bfloat16, gradient=True, step=2, most=16),
    _Part(torch.float16, gradient=False, step=2, most=32),
    _Part(torch.float16, gradient=True, step=2, most=8),
    _Part(torch.float64, gradient=False, step=3, most=16),
    _Part(torch.float64, gradient=True, step=3, most=8),
)


def _square(heads: int, length: int, dim: int, batch: int = 1, kv_heads: int = 0) -> Shape:
    return batch, heads, kv_heads or heads, length, length, dim


def _lengths(total: int, least: int, most: int) -> list[int]:
    """Document lengths that add up to `total`: least, twice that, ... up to most, and round again."""
    found, left, length = [], total, least
    while left > 0:
        found.append(min(length, left))
        left -= found[-1]
        length = least if length >= most else 2 * length
    return found


def _documents(total: int, least: int, most: int) -> Documents:
    lengths = torch.tensor(_lengths(total, least, most))
    return Documents(torch.arange(len(lengths)).repeat_interleave(lengths)[None])


def _padded(batch: int, length: int) -> Padding:
    """Lengths spread evenly from an eighth of `length` to all of it."""
    return Padding(torch.linspace(length / 8, length, batch).long().clamp_min(1))


def _local(before: int) -> Mask:
    return Causal() & Window(before, 0)


_OPEN: Family = (
    (_square(1, 16, 32), None),
    (_square(12, 512, 64), None),
    (_square(4, 64, 64, batch=8), None),
    (_square(8, 2048, 64), None),
    (_square(8, 256, 64), None),
    (_square(8, 128, 32, batch=8), None),
    (_square(8, 1024, 64, kv_heads=2), None),
    (_square(4, 2048, 128), None),
    (_square(4, 1024, 256, kv_heads=1), None),
)
_CAUSAL: Family = (
    (_square(8, 32, 64), Causal()),
    (_square(8, 1024, 64, batch=2), Causal()),
    (_square(8, 256, 64), Causal()),
    (_square(4, 4096, 64), Causal()),
    ((1, 8, 2, 512, 2048, 64), Causal()),
    (_square(4, 1024, 128), Causal()),
    ((1, 4, 1, 128, 4096, 256), Causal()),
)
_WINDOWS: Family = (
    (_square(8, 512, 64), _local(63)),
    (_square(8, 8192, 64), Window(255, 0)),
    (_square(4, 4096, 256, kv_heads=1), _local(511)),
    (_square(8, 2048, 64), Window(255, 0)),
    (_square(4, 2048, 128), _local(1023)),
    (_square(12, 1024, 64, batch=2), Window(64, 64)),
    (_square(8, 4096, 64), Causal() & (Window(255, 0) | Sinks(4))),
    (_square(8, 128, 64, batch=4), _local(15)),
)
_PACKED: Family = (
    (_square(8, 2048, 64), _documents(2048, 16, 512)),
    (_square(4, 1024, 128), Causal() & _documents(1024, 128, 512)),
    (_square(8, 8192, 64), _documents(8192, 64, 1024)),
    (_square(8, 512, 64), Causal() & _documents(512, 16, 64)),
    (_square(8, 4096, 64), Causal() & _documents(4096, 16, 2048)),
)
_PADDED: Family = (
    (_square(8, 256, 64, batch=8), _padded(8, 256)),
    (_square(8, 1024, 64), Causal() | Prefix(256)),
    (_square(8, 1024, 64, batch=4), _padded(4, 1024)),
    (_square(12, 128, 64, batch=16), _padded(16, 128)),
    (_square(8, 512, 64, batch=4), Causal() & _padded(4, 512)),
)
_DILATED: Family = (
    (_square(4, 512, 64), Dilated(2, 63)),
    (_square(8, 256, 64), Dilated(2, 31)),
    (_square(4, 1024, 128), Dilated(4, 127, 127)),
    (_square(8, 1024, 64), Dilated(8, 255)),
    (_square(8, 512, 64, batch=2), Causal() & Dilated(4, 127)),
    (_square(1, 2048, 64), Dilated(16, 1023)),
    (_square(8, 2048, 64), Dilated(8, 255)),
    (_square(8, 4096, 64), Dilated(16, 1023)),
)
_IMAGES: Family = (
    (_square(8, 1024, 64), Grid2D(32, 32, 3)),
    (_square(4, 256, 32, batch=8), Grid2D(16, 16, 2)),
    (_square(8, 576, 64), Grid2D(24, 24, 1)),
    (_square(4, 196, 64, batch=4), Grid2D(14, 14, 2)),
    (_square(2, 1024, 64), Grid2D(32, 32, 6)),
    (_square(1, 2304, 64), Grid2D(48, 48, 4)),
    (_square(4, 3136, 32), Grid2D(56, 56, 3)),
    (_square(8, 4096, 64), Grid2D(64, 64, 6)),
)
_BIASED: Family = (
    (_square(8, 256, 64), Causal()),
    (_square(8, 1024, 64), Causal()),
    (_square(4, 512, 64, batch=2), None),
    (_square(4, 2048, 64), Causal()),
    (_square(8, 2048, 64), Window(255, 0)),
)
_FEW: Family = (
    ((1, 8, 8, 1, 512, 64), None),
    ((1, 8, 8, 1, 2048, 64), None),
    ((1, 8, 8, 1, 8192, 64), None),
    ((1, 8, 8, 1, 32768, 64), None),
    ((1, 8, 2, 1, 8192, 64), None),
    ((1, 32, 8, 1, 4096, 128), None),
    ((8, 8, 8, 1, 1024, 64), None),
    ((1, 4, 1, 1, 4096, 256), Window(511, 0)),
    ((4, 8, 8, 1, 2048, 64), _padded(4, 2048)),
    ((1, 8, 8, 4, 8192, 64), Causal()),
    ((1, 8, 8, 16, 4096, 64), Causal()),
    ((1, 8, 2, 1, 32768, 64), None),
    ((1, 1, 1, 1, 32768, 64), None),
    ((4, 8, 8, 1, 8192, 64), _padded(4, 8192)),
    ((1, 8, 8, 1, 8192, 64), Window(255, 0) | Sinks(4)),
    ((1, 32, 8, 4, 2048, 128), Causal()),
    ((1, 8, 8, 40, 2048, 64), Causal()),
    ((1, 8, 8, 64, 4096, 64), Causal()),
)
_ADDITIVE: Family = (
    (_square(1, 32, 32), None),
    (_square(4, 256, 64), None),
    (_square(4, 512, 32), Causal()),
    (_square(1, 64, 128, batch=8), None),
    (_square(2, 1024, 64), Window(127, 0)),
    (_square(2, 512, 64, batch=4), _padded(4, 512)),
    (_square(1, 128, 16, batch=4), Causal()),
    (_square(2, 2048, 32), Window(255, 0)),
    ((1, 4, 4, 1, 1024, 64), None),
    (_square(1, 512, 128), None),
)

_FAMILIES = (_OPEN, _CAUSAL, _WINDOWS, _PACKED, _PADDED)
_OWN_KERNELS = (_DILATED, _IMAGES)  # each has a kernel that is fitted on nothing else
