"""Reading the keys that queries have picked: rounded, and the very best of them as they are.

Shapes as in kernels/focus_look.py; k keys are picked by each query. Rounded numbers c stand for (c - middle) * step
beyond the mean of their block; steps and middles are taken out of sums, so that the codes themselves are multiplied.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from regard.kernels.focus_pick import LOWEST, Picked
from regard.kernels.sketch import Sketch

CHUNK = 1 << 18  # numbers that are widened at once: 1 MiB of float32, which stays in the processor's cache


@dataclass(frozen=True, eq=False)
class Read:
    """scores: (lanes, rows, groups, k), -inf where not valid. values: (lanes * rows, k, ?), rounded, or the residuals
    (.., e) float32 where nothing is rounded. best: int64 (lanes, rows, some), which of the k were read
    again as they are."""

    sketch: Sketch
    picked: Picked
    scores: Tensor
    values: Tensor
    best: Tensor

    @classmethod
    def of(cls, sketch: Sketch, query: Tensor, key: Tensor, value: Tensor, picked: Picked, bases: Tensor) -> Read:
        """query (lanes, rows, groups, d), bases (lanes, rows, groups, blocks): scores of the mean keys."""
        groups, blocks = query.shape[2], picked.keys // sketch.policy.grain
        values, scores = (_as_they_are if sketch.policy.bits == 16 else _rounded)(sketch, query, key, value, picked)
        if sketch.policy.bits != 16:
            scores += bases.gather(-1, _each(blocks, groups))
        scores.masked_fill_(~picked.valid[:, :, None], -torch.inf)
        best = _best(scores, picked, 0 if sketch.policy.bits == 16 else sketch.policy.exact, sketch.policy.first)
        if best.shape[2]:
            again = taken(key, picked.keys.gather(-1, best)).float()
            exact = (query.flatten(0, 1) @ again.mT).view(*query.shape[:3], -1)
            exact.masked_fill_(~picked.valid.gather(-1, best)[:, :, None], -torch.inf)
            scores.scatter_(-1, _each(best, groups), exact)
        return cls(sketch, picked, scores, values, best)

    def top(self) -> Tensor:
        """(lanes, rows, groups, 1): the largest score."""
        if not self.scores.shape[-1]:
            return self.scores.new_full((*self.scores.shape[:3], 1), LOWEST)
        return self.scores.amax(-1, keepdim=True).clamp_min_(LOWEST)

    def context(self, value: Tensor, inside: Tensor, around: Tensor) -> Tensor:
        """(lanes, rows, groups, e): sum of weights times values. inside (lanes, rows, groups, k): weights of what was
        read; around (lanes, rows, groups, blocks): of what was not, block by block."""
        sketch, (lanes, rows, groups) = self.sketch, inside.shape[:3]
        grain, dim, blocks = sketch.policy.grain, sketch.shape[2], self.picked.keys // sketch.policy.grain
        each = _each(blocks, groups)
        means = sketch.means[:, : around.shape[-1], dim:].float()
        output = (around.scatter_add(-1, each, inside).flatten(1, 2) @ means).view(lanes, rows, groups, -1)
        reads = around.new_zeros(lanes, rows, 1, around.shape[-1]).scatter_add_(
            -1, blocks[:, :, None], self.picked.valid[:, :, None].to(around.dtype)
        )
        less = (around / (grain - reads).clamp_min_(1)).gather(-1, each).mul_(self.picked.valid[:, :, None])
        weights = (inside - less).flatten(0, 1)
        output += self._beyond(weights).view_as(output)
        if self.best.shape[2]:
            output += self._again(value, inside, blocks).view_as(output)
        return output

    def _beyond(self, weights: Tensor) -> Tensor:
        """(lanes * rows, groups, e): weights (lanes * rows, groups, k) times what values are beyond their means."""
        if self.sketch.policy.bits == 16:
            return weights @ self.values
        size = self.sketch.shape[3]
        found = weights.new_zeros(*weights.shape[:2], size)
        for some, wide in _pieces(self.values, size):
            found.baddbmm_(weights[:, :, some], self.sketch.widened(self.values[:, some], wide))
        return self._stepped(found.sub_(self.sketch.middle * weights.sum(-1, keepdim=True)))

    def _again(self, value: Tensor, inside: Tensor, blocks: Tensor) -> Tensor:
        """(lanes * rows, groups, e): what the best values are beyond their rounded selves, weighted."""
        sketch, groups = self.sketch, inside.shape[2]
        keys, dim = self.picked.keys.gather(-1, self.best), sketch.shape[2]
        flat = self.best.flatten(0, 1)[..., None].expand(-1, -1, self.values.shape[2])
        codes = self.values.gather(1, flat)
        rounded = sketch.widened(codes, codes.new_empty((*codes.shape[:2], sketch.shape[3]), dtype=torch.float32))
        mean = taken(sketch.means, blocks.gather(-1, self.best)).float()[..., dim:]
        off = taken(value, keys).float() - mean - self._stepped(rounded - sketch.middle)
        # a weight of 0 must not meet what a key that may not be seen holds
        off.masked_fill_(~self.picked.valid.gather(-1, self.best).flatten(0, 1)[..., None], 0)
        return inside.gather(-1, _each(self.best, groups)).flatten(0, 1) @ off

    def _stepped(self, numbers: Tensor) -> Tensor:
        """(lanes * rows, ?, e) times the steps of their key head's values."""
        step, rows = self.sketch.basis.value_step, self.picked.keys.shape[1]
        per_lane = step.repeat(self.sketch.shape[0], 1, 1).repeat_interleave(rows, 0)
        return numbers * per_lane


def _as_they_are(sketch: Sketch, query: Tensor, key: Tensor, value: Tensor, picked: Picked) -> tuple[Tensor, Tensor]:
    """(residuals of the values (lanes * rows, k, e), scores)"""
    means = taken(sketch.means, picked.keys // sketch.policy.grain)[..., sketch.shape[2] :].float()
    residuals = taken(value, picked.keys).float() - means
    # a weight of 0 must not meet what a key that may not be seen holds
    residuals.masked_fill_(~picked.valid.expand(picked.keys.shape).flatten(0, 1)[..., None], 0)
    scores = query.flatten(0, 1) @ taken(key, picked.keys).float().mT
    return residuals, scores.view(*query.shape[:3], -1)


def _rounded(sketch: Sketch, query: Tensor, key: Tensor, value: Tensor, picked: Picked) -> tuple[Tensor, Tensor]:
    """(rounded values (lanes * rows, k, width), scores beyond those of the mean keys)"""
    rows = taken(sketch.keys, picked.keys)
    stepped = (query.view(-1, sketch.shape[1], *query.shape[1:]) * sketch.basis.key_step[:, None]).flatten(0, 2)
    scores = query.new_empty(*stepped.shape[:2], rows.shape[1])
    for some, wide in _pieces(rows, query.shape[3]):
        torch.bmm(stepped, sketch.widened(rows[:, some], wide).mT, out=scores[:, :, some])
    scores -= sketch.middle * stepped.sum(-1, keepdim=True)
    return taken(sketch.values, picked.keys), scores.view(*query.shape[:3], -1)


def _pieces(rows: Tensor, size: int) -> Iterator[tuple[slice, Tensor]]:
    """Runs of the picked keys (lanes * rows, k, ?), and room for the numbers (lanes * rows, run, size) of each."""
    lanes, count = rows.shape[:2]
    step = max(64, CHUNK // max(1, lanes * size))
    room = torch.empty(lanes, min(step, count), size, device=rows.device)
    for start in range(0, count, step):
        stop = min(start + step, count)
        yield slice(start, stop), room[:, : stop - start]


def taken(rows: Tensor, keys: Tensor) -> Tensor:
    """rows (lanes, n, x), keys (lanes, rows, k): (lanes * rows, k, x)."""
    lanes, length, size = rows.shape
    first = torch.arange(lanes, device=keys.device)[:, None, None] * length
    picked = rows.reshape(lanes * length, size).index_select(0, (keys + first).flatten())
    return picked.view(lanes * keys.shape[1], keys.shape[2], size)


def _best(scores: Tensor, picked: Picked, most: int, first: int) -> Tensor:
    """(lanes, rows, some): the first keys, and those that hold most of what was read, over the heads of the group."""
    if not most or not scores.shape[-1]:
        return torch.empty((*scores.shape[:2], 0), dtype=torch.int64, device=scores.device)
    weights = torch.exp2(scores - scores.amax(-1, keepdim=True).clamp_min(LOWEST))
    shares = weights[:, :, 0] if weights.shape[2] == 1 else weights.div_(_total(weights)).sum(2)
    shares = shares.masked_fill((picked.keys < first) & picked.valid, torch.inf)
    return shares.topk(min(most, scores.shape[-1]), sorted=False).indices


def _total(weights: Tensor) -> Tensor:
    return weights.sum(-1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)


def _each(index: Tensor, groups: int) -> Tensor:
    """(lanes, rows, x) for every head of the group."""
    return index[:, :, None].expand(-1, -1, groups, -1)
