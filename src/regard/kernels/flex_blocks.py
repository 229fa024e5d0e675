"""Which blocks of a call a mask leaves out, and which it leaves whole, as FlexAttention's `BlockMask`.

The answers come from `Mask.block`, asked of large regions first and of their quarters only where a region is mixed: a
window over n x n blocks takes about n log n questions, and nothing of query_len x key_len is ever made. Answers of
joined masks are joined block by block.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask

from regard.kernels.flex import SIDE
from regard.kernels.flex_mods import MaskMod
from regard.spec.mask import Block, Both, Either, Mask, Not
from regard.spec.membership import Dense, Documents
from regard.spec.padding import Padding
from regard.spec.place import Place

NONE, MIXED, ALL = 0, 1, 2
_NUMBER = {Block.NONE: NONE, Block.MIXED: MIXED, Block.ALL: ALL}


def block_mask(mask: Mask, mod: MaskMod, place: Place) -> BlockMask:
    """The blocks that `mod`, the mask's own, has to be asked about, and those that it need not be."""
    found = answers(mask, place).clone()
    # blocks that reach beyond the last query or key count as mixed, as in the lists that torch makes itself
    for edge, length in ((found[..., -1, :], place.query_len), (found[..., -1], place.key_len)):
        if length % SIDE:
            edge.clamp_(max=MIXED)
    partial, whole = _listed(found == MIXED, place), _listed(found == ALL, place)
    return BlockMask.from_kv_blocks(
        *partial,
        *whole,
        BLOCK_SIZE=SIDE,
        mask_mod=mod,
        seq_lengths=(place.query_len, place.key_len),
    )


def answers(mask: Mask, place: Place) -> Tensor:
    """(batch or 1, heads or 1, row blocks, col blocks) int8 on the CPU: NONE, MIXED or ALL."""
    return ANSWERS.get(type(mask), _asked)(mask, place)


def _asked(mask: Mask, place: Place) -> Tensor:
    """Of a mask that is one for all batch items and heads, or that has no row in `ANSWERS`."""
    found = torch.empty(-(-place.query_len // SIDE), -(-place.key_len // SIDE), dtype=torch.int8)
    regions = [(range(found.shape[0]), range(found.shape[1]))]
    while regions:
        rows, cols = regions.pop()
        answer = _NUMBER[mask.block(_span(rows, place.query_len), _span(cols, place.key_len), place)]
        if answer == MIXED and len(rows) * len(cols) > 1:
            regions += [(r, c) for r in _halves(rows) for c in _halves(cols)]
        else:
            found[rows.start : rows.stop, cols.start : cols.stop] = answer
    return found[None, None]


def _padding(mask: Padding, place: Place) -> Tensor:
    queries = mask.query_lengths
    return _by_item(Padding(mask.key_lengths.cpu(), None if queries is None else queries.cpu()), place)


def _documents(mask: Documents, place: Place) -> Tensor:
    keys = mask.key_ids
    return _by_item(Documents(mask.query_ids.cpu(), None if keys is None else keys.cpu()), place)


def _by_item(mask: Mask, place: Place) -> Tensor:
    """An item at a time: asked of the whole batch, a block is mixed as soon as two items differ there. The mask's
    tensors lie on the CPU: on a GPU each question would wait for its answer."""
    one = replace(place, batch=1, device=torch.device("cpu"))
    return torch.cat([_asked(mask.item(item), one) for item in range(mask.extent()[0])])


def _dense(mask: Dense, place: Place) -> Tensor:
    """Looked at where the tensor lies, in one pass over it."""
    allowed = mask.allowed if mask.allowed.dim() == 4 else mask.allowed[None, None]
    some, every = allowed, allowed
    for axis, length in ((3, place.key_len), (2, place.query_len)):
        some, every = _reduced(some, torch.any, axis, length), _reduced(every, torch.all, axis, length)
    return torch.where(every, ALL, torch.where(some, MIXED, NONE)).to("cpu", torch.int8)


def _reduced(flags: Tensor, reduce: Callable[..., Tensor], axis: int, length: int) -> Tensor:
    """`flags` with each block of `axis` made one; an axis of size 1 stands for all of `length`."""
    if flags.shape[axis] == 1:
        return flags.expand(*(-(-length // SIDE) if i == axis else -1 for i in range(4)))
    return torch.cat([reduce(part, axis, keepdim=True) for part in torch.split(flags, SIDE, axis)], axis)


def _both(mask: Both, place: Place) -> Tensor:
    return torch.minimum(answers(mask.left, place), answers(mask.right, place))


def _either(mask: Either, place: Place) -> Tensor:
    return torch.maximum(answers(mask.left, place), answers(mask.right, place))


def _not(mask: Not, place: Place) -> Tensor:
    return ALL - answers(mask.inner, place)


ANSWERS: dict[type[Mask], Callable[[Any, Place], Tensor]] = {
    Padding: _padding,
    Documents: _documents,
    Dense: _dense,
    Both: _both,
    Either: _either,
    Not: _not,
}


def _listed(chosen: Tensor, place: Place) -> tuple[Tensor, Tensor]:
    """For each row of blocks, how many are chosen, and their columns first: (.., rows) and (.., rows, cols) int32."""
    order = torch.argsort(chosen.to(torch.int8), dim=-1, descending=True, stable=True)
    counts = chosen.sum(-1)
    return counts.to(place.device, torch.int32), order.to(place.device, torch.int32).contiguous()


def _span(blocks: range, length: int) -> range:
    return range(blocks.start * SIDE, min(blocks.stop * SIDE, length))


def _halves(blocks: range) -> list[range]:
    middle = (blocks.start + blocks.stop + 1) // 2
    return [part for part in (range(blocks.start, middle), range(middle, blocks.stop)) if len(part)]
