"""One tile of queries under a budget: one softmax over the keys it reads and the means of what it does not, forward
and backward.

The choice of keys is a constant to the gradient. A mean key and a mean value are what they are: their gradients are
shared evenly among the keys of their block (they are read in 16 bits; that rounding is passed over).

Shapes: rows are queries times the heads that share the key head; scores are log2.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from regard.kernels.focus_choice import Choice
from regard.kernels.products import product

LN2 = math.log(2)
TINY, LOWEST = torch.finfo(torch.float32).tiny, torch.finfo(torch.float32).min


@dataclass(frozen=True, eq=False)
class Shelf:
    """Of one key head: key (n, d) and value (n, e) in the call's dtype, means (blocks, d + e) of its sketch."""

    key: Tensor
    value: Tensor
    means: Tensor


@dataclass(frozen=True, eq=False)
class Sums:
    """Gradients of one key head, float32, shaped as its `Shelf`."""

    key: Tensor
    value: Tensor
    means: Tensor


@dataclass(frozen=True, eq=False)
class Part:
    """Columns of a tile: their scores (rows, k), the keys (k, d) and values (k, e) these stand for."""

    scores: Tensor
    key: Tensor
    value: Tensor


def parts(choice: Choice, query: Tensor, shelf: Shelf) -> list[Part]:
    """The columns of a tile: those of keys, then those of means. query: (queries, groups, d) float32."""
    flat, dim = query.flatten(0, 1), query.shape[2]
    key, value = (each.index_select(0, choice.keys).float() for each in (shelf.key, shelf.value))
    scores = product(flat, key)
    if choice.forbidden is not None:
        late = scores.view(*query.shape[:2], -1)[:, :, choice.late :]
        late.masked_fill_(choice.forbidden[:, None], -torch.inf)
    found = [Part(scores, key, value)]
    if choice.blocks is not None and choice.unread is not None:
        means = shelf.means.index_select(0, choice.blocks).float()
        mean_key, mean_value = means[:, :dim].contiguous(), means[:, dim:].contiguous()
        found.append(Part(product(flat, mean_key).add_(choice.unread.log2()), mean_key, mean_value))
    return found


def attended(choice: Choice, query: Tensor, shelf: Shelf) -> tuple[Tensor, Tensor]:
    """(output (queries, groups, e), log2 of the sum of weights (queries, groups)); query (queries, groups, d)."""
    some = [part for part in parts(choice, query, shelf) if part.scores.shape[1]]
    shape = query.shape[:2]
    if not some:
        return query.new_zeros(*shape, shelf.value.shape[1]), query.new_full(shape, -torch.inf)
    top = torch.stack([part.scores.amax(-1) for part in some]).amax(0).clamp_min_(LOWEST)
    output, total = None, None
    for part in some:
        weights = part.scores.sub_(top[:, None]).exp2_()
        found = product(weights, part.value.mT)
        output = found if output is None else output.add_(found)
        total = weights.sum(-1) if total is None else total.add_(weights.sum(-1))
    assert output is not None
    assert total is not None
    made = output.div_(total.clamp_min(TINY)[:, None])
    return made.view(*shape, -1), (total.log2() + top).view(shape)


def sent_back(
    choice: Choice, query: Tensor, shelf: Shelf, lse: Tensor, upstream: tuple[Tensor, Tensor], sums: Sums
) -> Tensor:
    """The gradient of the queries (queries, groups, d); those of keys, values and means are added to `sums`.

    lse (queries, groups) as `attended` gave it. upstream: the gradient of the output (queries, groups, e), and what is
    added to each weight's pull: the gradient of `lse`, less ln 2 times (gradient . output), (queries, groups).
    """
    flat, (pull, level) = query.flatten(0, 1), (each.flatten(0, 1) for each in upstream)
    floor = lse.masked_fill(torch.isneginf(lse), torch.inf).flatten()
    to_query = torch.zeros_like(flat)
    for part, keys, (to_key, to_value) in _with_targets(choice, parts(choice, query, shelf), sums):
        weights = part.scores.sub_(floor[:, None]).exp2_()
        to_value.index_add_(0, keys, weights.mT @ pull)
        told = product(pull, part.value).mul_(LN2).add_(level[:, None]).mul_(weights)
        to_query += told @ part.key
        to_key.index_add_(0, keys, told.mT @ flat)
    return to_query.view(query.shape)


def _with_targets(
    choice: Choice, found: list[Part], sums: Sums
) -> Iterator[tuple[Part, Tensor, tuple[Tensor, Tensor]]]:
    dim = sums.key.shape[1]
    yield found[0], choice.keys, (sums.key, sums.value)
    if choice.blocks is not None:
        yield found[1], choice.blocks, (sums.means[:, :dim], sums.means[:, dim:])
