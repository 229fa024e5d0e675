"""Focus and periphery: a budget spent on every key at the resolution it deserves, in one softmax.

Each query (with the heads that share its key head) scores all keys by the sketch (kernels/sketch.py), reads the best of
them rounded and the very best as they are; every other key keeps its sketch weight, on the mean value of its block.

With m the mean value of a block of g keys, of which the r that were read have values v_j = m + c_j, the mean of the
others is m - sum(c_j) / (g - r). So the periphery needs no sums over what was left: a block's peripheral weight W goes
to m, and -W / (g - r) is added to the weight of every c_j.

Shapes: lanes = batch * kv_heads, rows = queries, `groups` query heads to a key head. Scores are in units of log 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from regard.kernels.focus_allotted import Allotted
from regard.kernels.focus_pick import LOWEST, picked
from regard.kernels.focus_read import Read
from regard.kernels.sketch import Sketch
from regard.kernels.sketch_basis import CODE

CHUNK = 1 << 18  # numbers of the sketch that are widened at once: 1 MiB, which stays in the processor's cache
LAST = 2**CODE - 1
MIDDLE = 2 ** (CODE - 1) - 0.5  # what a number of 0 is stored as; a stored number stands for the middle of its step


@dataclass(frozen=True, eq=False)
class Look:
    """Some queries at a sketched cache. `allowed` None: every key may be seen."""

    sketch: Sketch
    query: Tensor  # (lanes, rows, groups, d) float32, with the scale in it, and log2(e)
    key: Tensor  # (lanes, n, d) in their own dtype, the sketched keys and those behind them
    value: Tensor  # (lanes, n, e)
    allowed: Tensor | None  # bool (lanes or 1, rows, n)
    allotted: Allotted  # of the keys that may be read one by one


def looked(look: Look) -> tuple[Tensor, Tensor]:
    """(output (lanes, rows, groups, e), log2 of the sum of weights (lanes, rows, groups)), both float32."""
    sketch, grain = look.sketch, look.sketch.policy.grain
    scores, bases = judged(sketch, look.query)
    allowed = None if look.allowed is None else look.allowed[:, :, : sketch.length]
    whole = None if allowed is None else allowed.reshape(*allowed.shape[:2], -1, grain).all(-1)
    if allowed is not None:
        scores.masked_fill_(~allowed[:, :, None], -torch.inf)
    top = scores.amax(-1, keepdim=True).clamp_min_(LOWEST)
    weights = scores.sub_(top).exp2_()
    chosen = picked(weights, sketch.policy, look.allotted, allowed, whole)
    read = Read.of(sketch, look.query, look.key, look.value, chosen, bases)
    behind = _behind(look)
    shift = torch.maximum(top, read.top())
    if behind.shape[-1]:
        shift = torch.maximum(shift, behind.amax(-1, keepdim=True))
    # what was read is no longer in the periphery, nor is a block of which some keys may not be seen
    index = chosen.keys[:, :, None].expand(*weights.shape[:3], -1)
    weights.scatter_(-1, index, weights.gather(-1, index).masked_fill_(chosen.valid[:, :, None], 0))
    around = weights.view(*bases.shape, grain).sum(-1).mul_(torch.exp2(top - shift))
    if whole is not None:
        around.masked_fill_(~whole[:, :, None], 0)
    inside, late = torch.exp2(read.scores - shift), torch.exp2(behind - shift)
    total = inside.sum(-1) + around.sum(-1) + late.sum(-1)
    output = read.context(look.value, inside, around)
    output = output + (late.flatten(1, 2) @ look.value[:, sketch.length :].float()).view_as(output)
    return output / total.clamp_min(torch.finfo(torch.float32).tiny)[..., None], total.log2() + shift[..., 0]


def shown(look: Look) -> Tensor:
    """(lanes, rows, groups, keys): the log2 score by which each key is weighed, its own where it was read, that of its
    sketch where not; -inf where it may not be seen."""
    sketch, grain = look.sketch, look.sketch.policy.grain
    scores, bases = judged(sketch, look.query)
    allowed = None if look.allowed is None else look.allowed[:, :, : sketch.length]
    whole = None if allowed is None else allowed.reshape(*allowed.shape[:2], -1, grain).all(-1)
    if allowed is not None:
        scores.masked_fill_(~allowed[:, :, None], -torch.inf)
    weights = (scores - scores.amax(-1, keepdim=True).clamp_min_(LOWEST)).exp2_()
    chosen = picked(weights, sketch.policy, look.allotted, allowed, whole)
    read = Read.of(sketch, look.query, look.key, look.value, chosen, bases)
    index = chosen.keys[:, :, None].expand(*scores.shape[:3], -1)
    valid = chosen.valid[:, :, None]
    scores.scatter_(-1, index, torch.where(valid, read.scores, scores.gather(-1, index)))
    return torch.cat((scores, _behind(look)), -1)


def judged(sketch: Sketch, query: Tensor) -> tuple[Tensor, Tensor]:
    """(sketch scores (lanes, rows, groups, keys), scores of the blocks' mean keys (lanes, rows, groups, blocks)) of
    queries (lanes, rows, groups, d) as a `Look` has them."""
    lanes, rows, groups, dim = query.shape
    count, grain, half = sketch.length, sketch.policy.grain, sketch.basis.rank // 2
    query = query.flatten(1, 2)
    bases = query @ sketch.means[:, : count // grain, :dim].float().mT
    asked = (query.view(-1, sketch.shape[1], rows * groups, dim) @ sketch.basis.query).flatten(0, 1)
    upper, lower = asked[..., :half] / 16, asked[..., half:]  # a byte is 16 * its upper number + its lower one
    turned = torch.cat((upper, lower - upper), -1)
    step = max(grain, CHUNK // (lanes * sketch.basis.rank))
    scores, wide = query.new_empty(lanes, rows * groups, count), query.new_empty(lanes, 2 * half, step)
    for start in range(0, count, step):
        codes = sketch.codes[:, :, start : min(start + step, count)]
        numbers = wide[:, :, : codes.shape[2]]
        numbers[:, :half] = codes
        numbers[:, half:] = codes & 15
        torch.bmm(turned, numbers, out=scores[:, :, start : start + codes.shape[2]])
    level = bases - MIDDLE * asked.sum(-1, keepdim=True)
    scores.view(*level.shape, grain).add_(level[..., None])
    return scores.view(lanes, rows, groups, count), bases.view(lanes, rows, groups, -1)


def beyond(sketch: Sketch, query: Tensor) -> Tensor:
    """(lanes, rows, groups, keys): how far above its sketch a score may lie, of queries as `judged` takes them. The
    first and the last code stand for all numbers from there on: these are taken to go on for half of what the codes
    reach."""
    lanes, rows, groups, dim = query.shape
    asked = (query.reshape(-1, sketch.shape[1], rows * groups, dim) @ sketch.basis.query).flatten(0, 1)
    codes = sketch.codes[:, :, : sketch.length]
    wide = torch.cat((codes >> 4, codes & 15), 1)
    found = asked.clamp_min(0) @ (wide == LAST).float() - asked.clamp_max(0) @ (wide == 0).float()
    more: Tensor = found.mul_(MIDDLE).view(lanes, rows, groups, -1)
    return more


def _behind(look: Look) -> Tensor:
    """(lanes, rows, groups, keys behind the sketch): their scores, as they are."""
    start = look.sketch.length
    scores = (look.query.flatten(1, 2) @ look.key[:, start:].float().mT).view(*look.query.shape[:3], -1)
    return scores if look.allowed is None else scores.masked_fill_(~look.allowed[:, :, None, start:], -torch.inf)
