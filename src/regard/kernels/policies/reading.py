"""From bytes to keys, from an order of keys to the ones that are read, and exact attention over those.

Two rules hold for every policy that reads some of the keys:

- Where everything fits into a query's budget, everything is read, and nothing beside it.
- Where not even what the policy judges by fits, with a key or two, it is left alone: then the first keys and the latest
  are read, as many as fit. The latest key that a query may see, in a decoder its own, is read whatever the budget.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from regard.kernels.policies.call import Call, Part, Read
from regard.spec.bias import SinkLogits

FIRST = 4  # keys at the start that are read where a budget is too small to judge by anything (StreamingLLM)
FAR = 1e30  # priorities are kept within it, so that what must be read can stand above and what is hidden below
SLACK = 1e-9  # of a key: a fraction times a number of keys may come out a rounding below a whole number


@dataclass(frozen=True, eq=False)
class Room:
    """How many keys fit. Shapes (batch or 1, kv_heads or 1, rows), as `Part.count`."""

    count: Tensor  # int64: keys to be read
    bytes: Tensor  # float64: of these keys and of what stands beside them
    judged: Tensor  # bool: the policy chooses; False where all keys are read, or only the first and the latest

    @property
    def chosen(self) -> int:
        """The most keys that any query chooses."""
        return int(torch.where(self.judged, self.count, 0).amax())


@dataclass(frozen=True, eq=False)
class Choice:
    """Positions of the keys to be read, (batch, kv_heads, rows, slots) int64, and which slots are taken."""

    index: Tensor
    taken: Tensor


def room(call: Call, part: Part, beside: Tensor | float = 0.0, least: Tensor | int = 1) -> Room:
    """Turn the budget into keys. beside: bytes that are read to choose by. least: keys without which there is no use in
    choosing."""
    seen, limit = part.count, call.limit(part.count)
    everything = seen.double() * call.each <= limit * (1 + 1e-12)
    judged = ~everything & (limit >= beside + least * call.each)
    aside = torch.where(judged, torch.as_tensor(beside, dtype=torch.float64, device=limit.device), 0.0)
    fitting = ((limit - aside) / max(call.each, 1.0) + SLACK).floor().long()
    count = torch.where(everything, seen, torch.minimum(fitting.clamp_min(1), seen))
    return Room(count, count.double() * call.each + aside, judged)


def window(call: Call, part: Part, count: Tensor, first: int) -> Choice:
    """The first keys of those a query sees and the latest, `count` in all; at least the latest one."""
    slots = max(1, int(count.amax()))
    slot = torch.arange(1, slots + 1, dtype=torch.int32, device=count.device)
    wide, seen = count[..., None].int(), part.count[..., None].int()
    leading = (wide - 1).clamp(0, first)
    wanted = torch.where(slot <= leading, slot, seen - wide + slot)
    index = torch.searchsorted(part.order(), wanted.contiguous()).clamp_max(part.keys - 1)
    return _everywhere(call, index, slot <= wide)


def ends(part: Part, first: Tensor | int, latest: Tensor | int) -> Tensor:
    """bool, the shape of `part.seen`: the first keys that a query sees and the latest."""
    order = part.order()
    head = first[..., None] if isinstance(first, Tensor) else first
    tail = latest[..., None] if isinstance(latest, Tensor) else latest
    return part.seen & ((order <= head) | (order > part.count[..., None] - tail))


def best(call: Call, part: Part, given: Room, priority: Tensor, forced: Tensor) -> Choice:
    """The forced keys and those of highest priority. Both broadcast to (batch, kv_heads, rows, keys)."""
    near = priority.nan_to_num(nan=FAR, posinf=FAR, neginf=-FAR).clamp(-FAR, FAR)
    ranked = torch.where(part.seen, torch.where(forced, torch.inf, near), -torch.inf)
    ranked = ranked.expand(*call.lanes, len(part.rows), part.keys)
    slots = max(1, given.chosen)
    index = ranked.topk(slots, -1).indices
    return _everywhere(call, index, torch.arange(slots, device=index.device) < given.count[..., None])


def decided(call: Call, part: Part, given: Room, judge: Callable[[], Choice]) -> Choice:
    """What `judge` chooses where the policy chooses; all keys, or the first and the latest, elsewhere."""
    if bool(given.judged.all()):
        return judge()
    plain = window(call, part, torch.where(given.judged, 0, given.count), FIRST)
    if not bool(given.judged.any()):
        return plain
    chosen = judge()
    slots = max(chosen.index.shape[-1], plain.index.shape[-1])
    here = given.judged[..., None]
    index = torch.where(here, _padded(chosen.index, slots), _padded(plain.index, slots))
    return Choice(index, torch.where(here, _padded(chosen.taken, slots), _padded(plain.taken, slots)))


def shares(part: Part, scores: Tensor, sink: SinkLogits | None = None) -> Tensor:
    """(batch, kv_heads, rows, keys): the log of the mean over a group's heads of each key's weight, were the scores
    (batch, kv_heads, groups, rows, keys), biases included, true; up to one number a row. -inf for what is not seen."""
    scores = torch.where(part.allowed, scores, -torch.inf)
    if scores.shape[2] == 1:
        return scores[:, :, 0]
    sums = torch.logsumexp(scores, -1, keepdim=True)
    empty = torch.isneginf(sums)
    if sink is not None:
        sums = torch.logaddexp(sums, sink.per_head.detach().to(sums).view(*scores.shape[1:3], 1, 1))
    return torch.logsumexp(scores - torch.where(empty, 0.0, sums), 2)


def scored(call: Call, part: Part, query: Tensor, key: Tensor) -> Tensor:
    """(batch, kv_heads, groups, rows, keys) scores with biases of `query` (batch, kv_heads, groups, rows, x) on `key`
    (batch, kv_heads, at least the part's keys, x)."""
    made = query.flatten(2, 3) @ key[:, :, : part.keys].mT
    scores = call.curve.apply_(made.view(*query.shape[:4], part.keys))
    return scores if part.bias is None else scores + part.bias


def read(call: Call, part: Part, choice: Choice) -> tuple[Tensor, Tensor]:
    """(output (batch, kv_heads, groups, rows, e), lse (batch, kv_heads, groups, rows)): exact attention over the chosen
    keys, which are the only ones touched."""
    return summed(call, choice, *weighed(call, part, choice))


def summed(call: Call, choice: Choice, weights: Tensor, lse: Tensor) -> tuple[Tensor, Tensor]:
    """The output and the lse, as `read` gives them, of what `weighed` gave."""
    output = weighted(call, weights, _gathered(call.value, choice.index))
    return output.transpose(2, 3), lse.transpose(2, 3)


def weighed(call: Call, part: Part, choice: Choice) -> tuple[Tensor, Tensor]:
    """(weights (batch, kv_heads, rows, groups, slots), lse (batch, kv_heads, rows, groups)) of the chosen keys."""
    query = call.queries(part).transpose(2, 3)
    scores = call.curve.apply_(query @ _gathered(call.key, choice.index).mT)  # (batch, kv_heads, rows, groups, slots)
    taken = choice.taken[:, :, :, None]
    if part.allowed.shape[2] > 1:
        taken = taken & _looked_up(part.allowed, choice.index)
    if part.bias is not None:
        scores = scores + _looked_up(part.bias, choice.index)
    return softmax(torch.where(taken, scores, -torch.inf))


def finished(call: Call, part: Part, given: Room, choice: Choice) -> Read:
    """What `worked_off` takes of a part whose keys are chosen and whose bytes are counted."""
    return (*read(call, part, choice), given.bytes)


def softmax(scores: Tensor) -> tuple[Tensor, Tensor]:
    """(weights, lse) over the last axis; an empty row has weights 0 and lse -inf."""
    lse = torch.logsumexp(scores, -1)
    return (scores - torch.where(torch.isneginf(lse), 0.0, lse)[..., None]).exp_(), lse


def weighted(call: Call, weights: Tensor, value: Tensor) -> Tensor:
    """weights (..., x, keys) · value (..., keys, e), in which a value of weight 0 has no say even if it is NaN."""
    if call.sound:
        return weights @ value
    broken = ~torch.isfinite(value)
    poison = (weights > 0).to(value.dtype) @ broken.to(value.dtype)
    return (weights @ torch.where(broken, 0.0, value)).masked_fill(poison > 0, torch.nan)


def taken_from(tensor: Tensor, choice: Choice) -> Tensor:
    """tensor (batch, kv_heads, groups, rows, keys) -> its numbers at the chosen keys, 0 in slots that are not taken."""
    index = choice.index[:, :, None].expand(-1, -1, tensor.shape[2], -1, -1)
    return torch.where(choice.taken[:, :, None], tensor.gather(-1, index), 0.0)


def _gathered(tensor: Tensor, index: Tensor) -> Tensor:
    """tensor (batch, kv_heads, key_len, x) -> (batch, kv_heads, rows, slots, x)."""
    lanes = torch.arange(index.shape[0] * index.shape[1], device=index.device).view(*index.shape[:2], 1, 1)
    flat = (index + lanes * tensor.shape[2]).flatten()
    return tensor.flatten(0, 2).index_select(0, flat).view(*index.shape, tensor.shape[3])


def _looked_up(tile: Tensor, index: Tensor) -> Tensor:
    """tile (batch or 1, kv_heads or 1, groups or 1, rows, keys) -> (batch, kv_heads, rows, groups or 1, slots)."""
    shown = tile.expand(*index.shape[:2], *tile.shape[2:])
    return shown.gather(-1, index[:, :, None].expand(-1, -1, tile.shape[2], -1, -1)).transpose(2, 3)


def _everywhere(call: Call, index: Tensor, taken: Tensor) -> Choice:
    shape = (*call.lanes, *index.shape[2:])
    return Choice(index.expand(shape), taken.expand(shape))


def _padded(tensor: Tensor, slots: int) -> Tensor:
    """More slots at the end, of 0 or False."""
    return torch.nn.functional.pad(tensor, (0, slots - tensor.shape[-1]))
