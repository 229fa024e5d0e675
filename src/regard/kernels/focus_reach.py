"""The rows that read a cache until they know their error: what they can see, and what reading some keys of it gives.

Shapes: lanes = batch * kv_heads; rows = queries of all lanes, each on its own; `groups` query heads to a key head; n
keys in the sketch, of all. Scores are in units of log 2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from regard.kernels.focus import LOG2E
from regard.kernels.focus_bound import Evidence
from regard.kernels.focus_pick import LOWEST
from regard.kernels.focus_sample import drawn
from regard.kernels.sketch import Sketch
from regard.spec.bias import SinkLogits

NEAR = 2.0  # below the largest score, of logarithms to base 2: a key that may come so near is doubted


@dataclass(frozen=True, eq=False)
class Reach:
    """Some rows, and the cache they look at."""

    sketch: Sketch
    key: Tensor  # (lanes, all keys, d) in their own dtype
    value: Tensor  # (lanes, all keys, e)
    lane: Tensor  # int64 (rows)
    query: Tensor  # (rows, groups, d) float32, with the scale in it, and log2(e)
    wide: Tensor  # the same in the dtype in which an exact result is made
    allowed: Tensor  # bool (rows, all keys)
    whole: Tensor  # bool (rows, n): the key lies in a block of which every key may be seen
    weights: Tensor  # (rows, groups, n): by the sketch, 1 at the top, 0 where not allowed
    doubted: Tensor  # bool (rows, n): for some head it may weigh much, whatever the sketch says of it
    top: Tensor  # (rows, groups, 1): the sketch's largest score
    late: Tensor  # (rows, groups, keys behind the sketch, and the sink): scores
    late_values: Tensor  # (rows, the same, e)
    dice: Tensor  # (rows, n): a key is drawn when its chance is above its number

    @classmethod
    def of(
        cls,
        sketch: Sketch,
        key: Tensor,
        value: Tensor,
        lane: Tensor,
        query: Tensor,
        wide: Tensor,
        allowed: Tensor,
        scores: Tensor,
        beyond: Tensor,
        dice: Tensor,
        sink: SinkLogits | None,
    ) -> Reach:
        """scores, beyond: (rows, groups, n) by the sketch, and how much higher they may be. sink: of all heads."""
        count = sketch.length
        inside = allowed[:, :count]
        blocks = inside.view(len(lane), -1, sketch.policy.grain).all(-1)
        scores = scores.masked_fill(~inside[:, None], -torch.inf)
        top = scores.amax(-1, keepdim=True).clamp_min(LOWEST)
        behind = allowed[:, count:]
        # a weight of 0 must not meet what a key that may not be seen holds
        late_keys, values = (part[lane, count:].float().masked_fill(~behind[..., None], 0) for part in (key, value))
        late = (query @ late_keys.mT).masked_fill(~behind[:, None], -torch.inf)
        if sink is not None:
            per_lane = (sink.per_head.float() * LOG2E).view(sketch.shape[1], -1).repeat(sketch.shape[0], 1)
            late = torch.cat((late, per_lane[lane][..., None]), -1)
            values = torch.nn.functional.pad(values, (0, 0, 0, 1))
        whole = blocks.repeat_interleave(sketch.policy.grain, -1)
        weights = torch.exp2(scores - top)
        doubted = ((beyond > 0) & (scores + beyond >= top - NEAR)).any(1)
        return cls(sketch, key, value, lane, query, wide, allowed, whole, weights, doubted, top, late, values, dice)

    def rows(self, index: Tensor) -> Reach:
        """Some of the rows."""
        names = (
            "lane",
            "query",
            "wide",
            "allowed",
            "whole",
            "weights",
            "doubted",
            "top",
            "late",
            "late_values",
            "dice",
        )
        return replace(self, **{name: getattr(self, name)[index] for name in names})

    @property
    def inside(self) -> Tensor:
        """bool (rows, n): allowed keys of the sketch."""
        return self.allowed[:, : self.sketch.length]

    @property
    def rounds_off(self) -> bool:
        """Whether keys and values are read rounded. At 4 bits some numbers are cut off, so that their error is not
        that of rounding: there all is read as it is."""
        return self.sketch.policy.bits == 8

    def read(self, chances: Tensor, many: int) -> tuple[Evidence, Tensor, Tensor, Tensor]:
        """What the keys show that are drawn with these chances (rows, n); (rows) how many they are; bool (rows, n)
        which of them were read as they are (of rounded ones `many` are, again, and those that rounding has cut off);
        (rows, groups, 1) the log2 of a weight of 1."""
        keys, valid = drawn(chances, self.dice)
        chance = chances.gather(1, keys).masked_fill(~valid, 1)
        blocks = keys // self.sketch.policy.grain
        block_means = self.sketch.means[self.lane, : self.sketch.length // self.sketch.policy.grain].float()
        means = block_means.gather(1, blocks[..., None].expand(-1, -1, block_means.shape[2]))
        dim = self.sketch.shape[2]
        if self.rounds_off:
            numbers, values, cut = self._rounded(keys, means)
        else:
            numbers, values = self._plain(keys)
            cut = torch.zeros_like(valid)
        scores = (self.query @ numbers.mT).masked_fill_(~valid[:, None], -torch.inf)
        again = chances > self.dice if not self.rounds_off else torch.zeros_like(self.inside)
        rounded = valid.float()
        if self.rounds_off and keys.shape[1]:
            best = self._heaviest(scores, chance, valid, cut & valid, many)
            again.scatter_(1, keys.gather(1, best), valid.gather(1, best))
            rounded.scatter_(1, best, 0.0)
            numbers, exact = self._plain(keys.gather(1, best))
            found = (self.query @ numbers.mT).masked_fill_(~valid.gather(1, best)[:, None], -torch.inf)
            scores.scatter_(2, best[:, None].expand(-1, found.shape[1], -1), found)
            values.scatter_(1, best[..., None].expand(-1, -1, exact.shape[2]), exact)
        values.masked_fill_(~valid[..., None], 0)
        parts = (self.top, scores, self.late)
        shift = torch.stack([part.amax(-1) for part in parts if part.shape[-1]]).amax(0)[..., None].clamp_min(LOWEST)
        lower, late = torch.exp2(self.top - shift), torch.exp2(self.late - shift)
        each = keys[:, None].expand(-1, scores.shape[1], -1)
        sketched = self.weights.gather(2, each).masked_fill(~valid[:, None], 0) * lower
        unread = self._unread(keys, valid) * lower
        score_noise, value_noise = self._noise()
        evidence = Evidence(
            weights=torch.exp2(scores - shift),
            values=values,
            chance=chance,
            sketched=sketched,
            means=means[..., dim:],
            unread=unread,
            block_means=block_means[..., dim:],
            late=late.sum(-1),
            late_sum=late @ self.late_values,
            score_noise=score_noise,
            value_noise=value_noise,
            rounded=rounded if self.rounds_off else torch.zeros_like(rounded),
        )
        return evidence, valid.sum(-1), again, shift

    def least_error(self, exact: int) -> Tensor:
        """(rows): about what rounding does to the output if all keys are read, but `exact` of them as they are; told
        from the sketch alone, with values taken to be as far apart as the output is long."""
        if not self.rounds_off:
            return torch.zeros(len(self.lane), device=self.lane.device)
        shares = self.weights / self.weights.sum(-1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
        squares = shares.square()
        left = squares.sum(-1) - squares.topk(min(exact, squares.shape[-1]), -1).values.sum(-1)
        return (left.clamp_min(0) * self._noise()[0]).sqrt().amax(1) / LOG2E

    def attended(self) -> tuple[Tensor, Tensor]:
        """Exact: output (rows, groups, e), log2 of the sum of weights (rows, groups), in the dtype of `wide`."""
        output = self.wide.new_zeros(*self.wide.shape[:2], self.value.shape[2])
        total = self.wide.new_full(self.wide.shape[:2], -torch.inf)
        sink = self.late[..., self.allowed.shape[1] - self.sketch.length :].to(total)  # one or none
        for row, lane in enumerate(self.lane.tolist()):
            may = self.allowed[row]
            if not may.any():
                continue
            key, value = (part[lane][may].to(total) for part in (self.key, self.value))
            scores = torch.cat((self.wide[row] @ key.mT, sink[row]), -1)
            top = scores.amax(-1, keepdim=True)
            weights = torch.exp2(scores - top)
            total[row] = weights.sum(-1).log2() + top[:, 0]
            output[row] = weights[:, : len(key)] @ value / weights.sum(-1, keepdim=True)
        return output, total

    def _plain(self, keys: Tensor) -> tuple[Tensor, Tensor]:
        lane = self.lane[:, None]
        return self.key[lane, keys].float(), self.value[lane, keys].float()

    def _rounded(self, keys: Tensor, means: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Keys (rows, k, d), values (rows, k, e); bool (rows, k): a number lies in the first or the last step, and so
        perhaps far beyond it."""
        sketch, lane = self.sketch, self.lane[:, None]
        head, dim = self.lane % sketch.shape[1], sketch.shape[2]
        steps = sketch.basis.key_step[head], sketch.basis.value_step[head]  # (rows, 1, d), (rows, 1, e)
        stored = sketch.keys[lane, keys], sketch.values[lane, keys]
        cut = torch.stack([((code == 0) | (code == 255)).any(-1) for code in stored]).any(0)
        codes = [code.float() for code in stored]
        key, value = ((code - sketch.middle) * step for code, step in zip(codes, steps, strict=True))
        return key.add_(means[..., :dim]), value.add_(means[..., dim:]), cut

    def _noise(self) -> tuple[Tensor, Tensor]:
        """What rounding adds, as if evenly spread over a step: the variance of a score (rows, groups), and of a value's
        numbers, summed (rows)."""
        basis, head = self.sketch.basis, self.lane % self.sketch.shape[1]
        scores = (self.query.square() @ basis.key_step[head].square().mT)[..., 0] / 12
        return scores, basis.value_step[head].square().sum((1, 2)) / 12

    @staticmethod
    def _heaviest(scores: Tensor, chance: Tensor, valid: Tensor, cut: Tensor, many: int) -> Tensor:
        """int64 (rows, some): those that are cut off, and which of the others count most, for one head or another."""
        counted = (scores.softmax(-1).nan_to_num(0.0) / chance[:, None]).amax(1).masked_fill(~valid, -1)
        counted.masked_fill_(cut, torch.inf)
        return counted.topk(min(many + int(cut.sum(-1).max()), counted.shape[1]), sorted=False).indices

    def _unread(self, keys: Tensor, valid: Tensor) -> Tensor:
        """(rows, groups, blocks): sketch weights of the keys that were not read; those of blocks that may be seen in
        part were all read."""
        each = keys[:, None].expand(-1, self.weights.shape[1], -1)
        left = self.weights.scatter(2, each, self.weights.gather(2, each).masked_fill(valid[:, None], 0))
        left.masked_fill_(~self.whole[:, None], 0)
        return left.view(*left.shape[:2], -1, self.sketch.policy.grain).sum(-1)
