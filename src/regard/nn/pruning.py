"""Token pruning: an encoder whose layers process fewer and fewer tokens, those that receive most attention."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from regard.nn.checks import any_is, check_sequence, real_tokens
from regard.nn.encoder import Encoder, EncoderBlock
from regard.nn.received import mass_received
from regard.spec.drawn import is_drawn
from regard.spec.errors import ShapeError, SpecError
from regard.spec.padding import Padding
from regard.spec.value import described, is_number

_PARTS = 1_000_000  # shares are counted in millionths, so that a half of 4 is 2 and not a hair above it


@dataclass(frozen=True)
class Pruning:
    """Which share of its tokens each layer of an encoder processes.

    keep: one share a layer, never rising, or one number, the mean over the layers (see `shares`). first: so many tokens
    at the start are never dropped (a class token). queries: the mass received is taken over so many queries of each
    item, None for all of them (see `mass_received`).

        >>> Pruning(keep=0.5).shares(4)
        (0.875, 0.625, 0.375, 0.125)

    Raises `SpecError` for shares outside 0 to 1 or that rise.
    """

    keep: float | tuple[float, ...] = 1.0
    first: int = 0
    queries: int | None = None

    def __post_init__(self) -> None:
        given = self.keep if isinstance(self.keep, tuple) else (self.keep,)
        if not given or not all(is_number(share) and 0 < share <= 1 for share in given):
            raise SpecError(
                f"Pruning(keep={described(self.keep)}): expected a share of the tokens, above 0 and at most 1, or a "
                "tuple of them, one a layer"
            )
        if any(later > share for share, later in pairwise(given)):
            raise SpecError(f"Pruning(keep={self.keep}): a dropped token does not come back, so shares cannot rise")
        if not _whole(self.first, 0):
            raise SpecError(f"Pruning(first={described(self.first)}): expected a whole number of tokens, 0 for none")
        if self.queries is not None and not _whole(self.queries, 1):
            raise SpecError(f"Pruning(queries={described(self.queries)}): expected a whole number, or None for all")

    def shares(self, layers: int) -> tuple[float, ...]:
        """The share of each layer. Of one number, the shares fall in a straight line whose mean over the layers it is:
        down from near 1 where it is at least a half, else down to near 0.

        Raises `SpecError` where the shares given are not as many as the layers.
        """
        if isinstance(self.keep, tuple):
            if len(self.keep) != layers:
                raise SpecError(f"Pruning(keep={self.keep}): {len(self.keep)} shares for {layers} layers")
            return self.keep
        middles = [(layer + 0.5) / layers for layer in range(layers)]
        if self.keep >= 0.5:
            return tuple(1 - 2 * (1 - self.keep) * middle for middle in middles)
        return tuple(2 * self.keep * (1 - middle) for middle in middles)

    def processed(self, lengths: Tensor, layers: int) -> Tensor:
        """(layers, batch) int64: tokens that each layer processes of items of `lengths` (batch,) tokens.

        A share of a length is rounded up; an item that has a token keeps one at least, and its `first` ones.

            >>> Pruning(keep=(1.0, 0.5)).processed(torch.tensor([4, 3, 1, 0]), 2).tolist()
            [[4, 3, 1, 0], [2, 2, 1, 0]]
        """
        lengths = lengths.long()
        parts = [int(share * _PARTS) for share in self.shares(layers)]
        counts = [(lengths * part + _PARTS - 1) // _PARTS for part in parts]
        return torch.stack([torch.minimum(count.clamp(min=max(1, self.first)), lengths) for count in counts])


@dataclass(frozen=True, eq=False)
class Kept:
    """What a pruned encoder gives: the tokens that its last layer processed, in the order they came in.

    tokens: (batch, most, dim); beyond an item's own they mean nothing. lengths: (batch,) int64, an item's own. places:
    (batch, most) int64, where each token stood; `length`, that of the sequences that came in, beyond. dropped: before
    each cut, the (places, tokens) that were there; left: the tokens before `norm`, the encoder's last normalisation.
    """

    tokens: Tensor
    lengths: Tensor
    places: Tensor
    length: int
    dropped: tuple[tuple[Tensor, Tensor], ...]
    left: Tensor
    norm: nn.Module

    def spread(self, values: Tensor) -> Tensor:
        """`values` (batch, most, ...) of the tokens that are left, at their places: (batch, length, ...), else 0."""
        whole = values.new_zeros(values.shape[0], self.length + 1, *values.shape[2:])
        return _put(whole, self.places, values)[:, : self.length]

    def everywhere(self) -> Tensor:
        """(batch, length, dim): an output for every token, for tasks that need one; a dropped token's is the state it
        had when it was dropped, carried over unchanged and normalised as the others are. Means nothing on padding."""
        if not self.dropped:
            return self.tokens
        first = self.dropped[0][1]
        whole = torch.cat((first, first.new_zeros(first.shape[0], 1, first.shape[2])), 1)
        for places, tokens in (*self.dropped[1:], (self.places, self.left)):
            whole = _put(whole, places, tokens.to(whole.dtype))
        out: Tensor = self.norm(whole[:, : self.length])
        return out


def pruned(encoder: Encoder, x: Tensor, lengths: Tensor, pruning: Pruning) -> Kept:
    """Runs the encoder on x (batch, len, dim), of which item b has `lengths[b]` tokens, and drops tokens on the way.

    Before a layer whose share is smaller than the last one's, each item keeps the tokens that receive most mass in that
    layer's own attention among those still there (of equals the earlier); only they go through the layer, and through
    all that follow. After the word-vector elimination of Goyal et al. 2020 (PoWER-BERT, arXiv 2001.08950), whose
    significance score this is. There the cut lies between a layer's attention and its feed-forward; here it lies before
    the attention, which then is smaller too, so that an encoder of one layer gains as well. An item's result does not
    depend on the batch it is in. Gradients flow through what was kept, and none through the choice.

    With shares of 1 the result is, bit for bit, `encoder(x, mask=Padding(lengths))`.

    Raises `ShapeError` for sizes that do not fit, `SpecError` for an encoder whose attention is not plain
    (`regard.nn.received.check_plain`).
    """
    check_sequence("pruned: x", x, encoder.norm.normalized_shape[0])
    real = real_tokens("pruned", lengths, x)
    length, now, mask = x.shape[1], lengths.long().to(x.device), Padding(lengths)
    places = torch.arange(length, device=x.device).expand(x.shape[0], -1).masked_fill(~real, length)
    dropped: list[tuple[Tensor, Tensor]] = []
    blocks = cast("list[EncoderBlock]", list(encoder.blocks))
    shares = pruning.shares(len(blocks))
    for depth, (block, counts) in enumerate(zip(blocks, pruning.processed(now, len(blocks)), strict=True)):
        if _falls(shares, depth) if is_drawn() else bool((counts < now).any()):
            most = _most(shares[depth], length, pruning.first) if is_drawn() else int(counts.max())
            chosen = heaviest(_mass(block, x, now, pruning), now, counts, most)
            dropped.append((places, x))
            x, places, now = _take(x, chosen), _places(places, chosen, length), counts
            mask = Padding(now)
        x = block(x, mask=mask)
    return Kept(encoder.norm(x), now, places, length, tuple(dropped), x, encoder.norm)


def heaviest(mass: Tensor, lengths: Tensor, counts: Tensor, most: int | None = None) -> Tensor:
    """(batch, most) int64, ascending: the `counts[b]` places of largest mass among the first `lengths[b]`, of equals
    the earlier; `len` where an item has fewer than `most`, by default the largest count. mass is (batch, len).

        >>> heaviest(torch.tensor([[0.1, 0.4, 0.2, 0.3]]), torch.tensor([4]), torch.tensor([2]))
        tensor([[1, 3]])

    Raises `ShapeError` where more are asked for than there are.
    """
    if any_is(counts > lengths):
        raise ShapeError(
            f"heaviest: counts {counts.tolist()[:8]} of lengths {lengths.tolist()[:8]}: expected at most an item's own"
        )
    steps = torch.arange(mass.shape[1], device=mass.device)
    ranked = mass.masked_fill(steps >= lengths[:, None], -torch.inf).argsort(dim=1, descending=True, stable=True)
    if most is None:
        most = int(counts.max()) if len(counts) else 0
    return ranked[:, :most].masked_fill(steps[:most] >= counts[:, None], mass.shape[1]).sort(1).values


def _falls(shares: tuple[float, ...], depth: int) -> bool:
    """Whether a layer may process fewer tokens than the one before it."""
    return shares[depth] < (shares[depth - 1] if depth else 1.0)


def _most(share: float, length: int, first: int) -> int:
    """The most tokens that an item of at most `length` keeps by this share, as `Pruning.processed` counts."""
    kept = (length * int(share * _PARTS) + _PARTS - 1) // _PARTS
    at_least = torch.sym_max(kept, max(1, first))  # type: ignore[no-untyped-call]
    found: int = torch.sym_min(at_least, length)  # type: ignore[no-untyped-call]
    return found


def _mass(block: EncoderBlock, x: Tensor, lengths: Tensor, pruning: Pruning) -> Tensor:
    """(batch, len) what the block's attention would give each token; endless for the first ones, which stay."""
    with torch.no_grad():
        mass = mass_received(block.attention, block.attention_norm(x), lengths, queries=pruning.queries)
    mass[:, : pruning.first] = torch.inf  # nothing is dropped before them, so that they are in front still
    return mass


def _take(x: Tensor, chosen: Tensor) -> Tensor:
    """Tokens of x (batch, len, dim) at `chosen` (batch, most), 0 where that is `len`."""
    beyond = chosen >= x.shape[1]
    index = chosen.masked_fill(beyond, 0)[..., None].expand(-1, -1, x.shape[2])
    return x.gather(1, index).masked_fill(beyond[..., None], 0.0)


def _places(places: Tensor, chosen: Tensor, length: int) -> Tensor:
    """Where the chosen tokens stood in the sequences that came in."""
    beyond = torch.full_like(places[:, :1], length)
    return torch.cat((places, beyond), 1).gather(1, chosen)


def _put(whole: Tensor, places: Tensor, values: Tensor) -> Tensor:
    """`whole` (batch, length + 1, ...) with `values` (batch, most, ...) at their places; the last one takes padding."""
    index = places.view(*places.shape, *(1,) * (values.dim() - 2)).expand_as(values)
    return whole.scatter(1, index, values)


def _whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
