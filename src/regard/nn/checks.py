"""What the layers check of their arguments: sizes when they are built, tensors when they are called."""

from __future__ import annotations

import torch
from torch import Tensor

from regard.spec.drawn import is_drawn
from regard.spec.errors import ShapeError, SpecError
from regard.spec.value import described


def check_sizes(layer: str, **sizes: int) -> None:
    """Raise `SpecError` unless every size is a whole number of at least 1."""
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise SpecError(f"{layer}({name}={described(size)}): expected a whole number of at least 1")


def check_dropout(layer: str, dropout: float) -> None:
    """Raise `SpecError` unless `dropout` is a probability below 1."""
    if isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or not 0.0 <= dropout < 1.0:
        raise SpecError(f"{layer}(dropout={described(dropout)}): expected a probability, 0 <= dropout < 1")


def check_sequence(where: str, x: Tensor, dim: int) -> None:
    """Raise `ShapeError` unless `x` is (batch, len, dim)."""
    if not isinstance(x, Tensor) or x.dim() != 3 or x.shape[-1] != dim:
        raise ShapeError(
            f"{where}: got {described(x)}, expected (batch, len, {dim}); the layer was built for dim {dim}"
        )


def real_tokens(where: str, lengths: Tensor, x: Tensor) -> Tensor:
    """(batch, len) bool, True on the first `lengths[b]` tokens of item b.

    Raises `ShapeError` unless `lengths` is (batch,) int32 or int64, each from 0 to the length of `x` (batch, len, dim).
    """
    batch, longest = x.shape[:2]
    if not isinstance(lengths, Tensor) or lengths.dtype not in (torch.int64, torch.int32) or lengths.dim() != 1:
        raise ShapeError(f"{where}: lengths is {described(lengths)}, expected a ({batch},) int64 tensor of real tokens")
    if lengths.shape[0] != batch:
        raise ShapeError(f"{where}: {lengths.shape[0]} lengths for a batch of {batch}: pass one length an item")
    for item, length in enumerate(known(lengths)):
        if not 0 <= length <= longest:
            raise ShapeError(f"{where}: lengths[{item}] = {length}, but there are {longest} tokens")
    return torch.arange(longest, device=x.device)[None] < lengths.to(x.device)[:, None]


def known(lengths: Tensor) -> list[int]:
    """The numbers of a (batch,) tensor; none where a graph is drawn, which is for any."""
    return [] if is_drawn() else lengths.tolist()


def any_is(wrong: Tensor) -> bool:
    """Whether any entry of a bool tensor is True; not where a graph is drawn: there no value is known yet."""
    return not is_drawn() and bool(wrong.any())
