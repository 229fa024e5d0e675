"""Padded batches and packed ones: sequences side by side with padding between, or end to end without.

Packed, nothing is computed for padding, and one call holds sequences of any lengths:

    lengths = [3, 1]
    q, k, v = (pack(t, lengths) for t in (q, k, v))        # (2, heads, 3, dim) each becomes (1, heads, 4, dim)
    out = regard.attend(q, k, v, mask=Documents.packed(lengths) & Causal())
    out = unpack(out, lengths)                             # (2, heads, 3, dim) again, 0 in the padding

`pack` of `torch.nn.utils.rnn.pad_sequence(parts, batch_first=True)` is `torch.cat(parts)` with a batch axis in front,
and `unpack` is that `pad_sequence`. torch's `PackedSequence` is another thing: it lays time steps, not sequences, end
to end, for recurrent networks.

A jagged nested tensor holds the same: `packed = nested.values()[None]` and `lengths = nested.offsets().diff()` where
it is (batch, length, dim), and `torch.nested.nested_tensor_from_jagged(packed[0], nested.offsets())` on the way back;
its heads, if it has any, go to axis 1 by `.transpose(1, 2)` of `packed`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from regard.spec.errors import ShapeError
from regard.spec.lengths import as_lengths
from regard.spec.value import described


def pack(padded: Tensor, lengths: Tensor | Sequence[int]) -> Tensor:
    """The first `lengths[b]` tokens of each item b, end to end: (batch, heads, length, dim) as (1, heads, total, dim),
    or (batch, length, dim) as (1, total, dim). Differentiable.

        >>> pack(torch.tensor([[[1.0], [2.0]], [[3.0], [0.0]]]), [2, 1]).flatten()
        tensor([1., 2., 3.])

    Raises `MaskError` for lengths below 0, `ShapeError` for other shapes or lengths that do not fit.
    """
    counts = as_lengths("pack(lengths)", lengths).tolist()
    _check("pack", padded)
    if len(counts) != padded.shape[0]:
        raise ShapeError(f"pack: {len(counts)} lengths for a batch of {padded.shape[0]}: pass one length an item")
    longest = padded.shape[-2]
    for item, count in enumerate(counts):
        if count > longest:
            raise ShapeError(f"pack: lengths[{item}] = {count}, but there are {longest} tokens")
    if not counts:
        return padded.new_zeros(1, *padded.shape[1:-2], 0, padded.shape[-1])
    return torch.cat([item[..., :count, :] for item, count in zip(padded.unbind(0), counts, strict=True)], -2)[None]


def unpack(packed: Tensor, lengths: Tensor | Sequence[int], length: int | None = None) -> Tensor:
    """`pack` undone: (1, heads, total, dim) as (batch, heads, length, dim), or (1, total, dim) as (batch, length, dim),
    0 beyond each item's own length. `length` defaults to the longest of them. Differentiable.

    Raises `MaskError` for lengths below 0, `ShapeError` for other shapes or lengths that do not sum to `total`.
    """
    counts = as_lengths("unpack(lengths)", lengths).tolist()
    _check("unpack", packed)
    if packed.shape[0] != 1 or packed.shape[-2] != sum(counts):
        raise ShapeError(
            f"unpack: {tuple(packed.shape)} with lengths that sum to {sum(counts)}: expected 1 item of as many tokens"
        )
    longest = max(counts, default=0)
    to = longest if length is None else length
    if to < longest:
        raise ShapeError(f"unpack(length={to}): the longest item has {longest} tokens: pass at least as many")
    if not counts:
        return packed.new_zeros(0, *packed.shape[1:-2], to, packed.shape[-1])
    parts: list[Tensor] = list(torch.split(packed[0], counts, -2))
    return torch.stack([pad(part, (0, 0, 0, to - part.shape[-2])) for part in parts])


def _check(where: str, given: Tensor) -> None:
    if not isinstance(given, Tensor) or given.dim() not in (3, 4):
        raise ShapeError(
            f"{where}: got {described(given)}, expected a tensor (batch, heads, length, dim) or (batch, length, dim)"
        )
