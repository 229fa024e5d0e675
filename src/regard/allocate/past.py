"""The sketch of a layer's past: what stands for the keys that its cache has let go of, and nothing else.

The text is cut into blocks of `grain` tokens. Of each block there is the mean key of all of its keys, of each key a few
4-bit numbers that tell in which directions it differs from that mean (kernels/sketch_basis.py), and the mean value of
those keys of the block that were let go: a key that goes is added to it, so that the mean stands for just the values
that it replaces, whatever is kept beside it, and nothing that is gone need be read again.

Shapes: kv_heads key heads, `groups` query heads to each. Padding is in no mean, and is never looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from regard.allocate.periphery import Periphery
from regard.kernels import guard, sketch_basis
from regard.kernels.sketch import plainly
from regard.kernels.sketch_basis import CODE, rank_of
from regard.spec.errors import SpecError
from regard.spec.request import Request

LEARN = 1 << 13  # keys, and queries, at most that directions are learnt from, spread evenly
CHUNK = 1 << 12  # keys that are sketched, or whose codes are widened, at once
SCRATCH = 1 << 22  # scores that are held at once: 16 MiB
GROWTH = 8  # room grows by one part in so many
LARGEST = torch.finfo(torch.half).max  # of a mean, as it is kept
STEEP = 1e30  # entries of a map at most, where a direction has no spread: 0 times it is still 0
AS_THEY_ARE = 16  # bits of what is read one by one: no steps for rounded keys are learnt
MIDDLE = 2 ** (CODE - 1) - 0.5  # what a number of 0 is stored as; a stored number stands for the middle of its step


@dataclass(eq=False)
class Past:
    """Made by `Past.learnt`. `length` tokens are in it, a multiple of `periphery.grain`; behind them is room.

    keys, queries: bfloat16 (kv_heads, dim, rank), from a key less its block's mean to its numbers, in units of their
    steps, and from a query to what they are multiplied with. codes: uint8 (batch, kv_heads, rank / 2, room), two
    numbers to a byte. means: float16 (batch, kv_heads, room / grain, dim + value_dim). gone: int32 (batch, kv_heads,
    room / grain), how many keys of a block were let go. real: bool (batch, room), False for padding, or None.
    """

    periphery: Periphery
    keys: Tensor
    queries: Tensor
    codes: Tensor
    means: Tensor
    gone: Tensor
    real: Tensor | None = None
    length: int = 0

    @classmethod
    def learnt(
        cls, periphery: Periphery, key: Tensor, value_dim: int, query: Tensor | None, real: Tensor | None
    ) -> Past:
        """An empty one, its directions learnt from key (batch, kv_heads, n, dim), at least one block, and queries
        (batch, heads, m, dim), the last of them on the last key; None where none is known. real: bool (batch, n), or
        None. Raises `SpecError` where a number is not finite."""
        grain, (batch, heads, count, dim) = periphery.grain, key.shape
        blocks = count // grain
        stride = max(1, batch * count // LEARN)
        usual = slice(1 if blocks > 1 else 0, blocks, stride)  # a text's first keys are often unlike all others
        with plainly(key.device):
            some = _blocks(key[:, :, : blocks * grain], grain)[:, :, usual].float()
            shown = None if real is None else real[:, : blocks * grain].reshape(batch, blocks, grain)[:, usual]
            residual = _told(_residual(some, shown)[0].flatten(2, 3), None if shown is None else shown.flatten(1))
            if not residual.shape[2]:  # all of it was padding
                residual = residual.new_zeros(1, heads, 1, dim)
            asked = None
            if query is not None:
                asked = _told(query.float(), None if real is None else real[:, count - query.shape[2] :])
                asked = asked[:, :, :: max(1, asked.shape[2] // LEARN)]
            _finite(residual, *(() if asked is None else (asked,)))
            basis = sketch_basis.learnt(residual, residual, asked, rank_of(periphery.sketch, dim), AS_THEY_ARE)
            maps = basis.key.clamp(-STEEP, STEEP).bfloat16(), basis.query.bfloat16()
            return cls(periphery, *maps, *_room(batch, heads, basis.rank, dim + value_dim, grain, 0, key.device))

    @property
    def bytes(self) -> int:
        """Of all tensors, as allocated."""
        return sum(int(tensor.untyped_storage().nbytes()) for tensor in self._tensors().values())

    @property
    def empty(self) -> bool:
        """True while no key is let go."""
        return not self.length or not bool(self.gone[:, :, : self.length // self.periphery.grain].any())

    def follow(self, key: Tensor, real: Tensor | None) -> None:
        """Take in whole blocks, the next ones of the text: key (batch, kv_heads, n, dim), real bool (batch, n) or None.
        Raises `SpecError` where a number is not finite."""
        count = key.shape[2]
        with plainly(key.device):
            self._make_room(self.length + count)
            if real is not None and self.real is None and not bool(real.all()):
                self.real = torch.ones(key.shape[0], self.codes.shape[3], dtype=torch.bool, device=key.device)
            if self.real is not None:
                self.real[:, self.length : self.length + count] = True if real is None else real
            step = max(1, CHUNK // self.periphery.grain) * self.periphery.grain
            for start in range(0, count, step):
                some = slice(start, min(start + step, count))
                self._add(key[:, :, some], None if real is None else real[:, some])

    def let_go(self, heads: list[int], positions: Tensor, value: Tensor, going: Tensor) -> None:
        """Of `heads`, the values (batch, some heads, n, value_dim) at `positions` (batch, some heads, n) go where
        `going` is True. All of these lie in the blocks that were taken in, and none is padding."""
        kv_heads, blocks, width = self.means.shape[1:]
        with plainly(value.device):
            self._make_room(self.length)
            item, slot, _ = going.nonzero(as_tuple=True)
            lane = item * kv_heads + torch.tensor(heads, device=value.device)[slot]
            where = lane * blocks + positions[going] // self.periphery.grain
            touched, index = torch.unique(where, return_inverse=True)
            sums = torch.zeros(len(touched), value.shape[3], device=value.device)
            sums.index_add_(0, index, value[going].float())
            _finite(sums)
            means, gone = self.means.view(-1, width)[:, -value.shape[3] :], self.gone.view(-1)
            before, more = gone[touched], torch.bincount(index, minlength=len(touched)).int()
            mean = (means[touched].float() * before[:, None] + sums) / (before + more)[:, None]
            means[touched] = mean.clamp_(-LARGEST, LARGEST).half()
            gone[touched] = before + more

    def looked(self, asked: Request, held: list[tuple[list[int], Tensor]]) -> tuple[Tensor, Tensor]:
        """(output (batch, heads, n, value_dim), lse (batch, heads, n)), float32: `asked`'s queries over all keys that
        were let go; 0 and -inf where there are none. held: (heads, their positions (batch, some heads, k)), keys that
        still stand for themselves."""
        kv_heads, length = self.codes.shape[1], self.length
        with plainly(asked.query.device):
            form = asked.score.prepare(asked.query.float(), asked.key[:, :, :0].float())
            batch, heads, count, dim = form.query.shape
            # the heads of a group lie one behind the other
            query = (form.query * form.scale).reshape(batch * kv_heads, heads // kv_heads * count, dim)
            closed = self._closed(held).flatten(0, 1)[:, None]
            size = self.means.shape[3] - dim
            output = query.new_empty(*query.shape[:2], size)
            lse = query.new_empty(query.shape[:2])
            step = max(1, SCRATCH // (len(query) * length))
            for start in range(0, query.shape[1], step):
                rows = slice(start, start + step)
                scores = form.curve.apply_(self._scores(query[:, rows])).masked_fill_(closed, -torch.inf)
                output[:, rows], lse[:, rows] = self._summed(scores)
        return output.view(batch, heads, count, size), lse.view(batch, heads, count)

    def select(self, items: Tensor) -> None:
        """Only these items of the batch, in this order."""
        with plainly(self.codes.device):
            for name in ("codes", "means", "gone", "real"):
                tensor = getattr(self, name)
                if tensor is not None:
                    setattr(self, name, tensor.index_select(0, items.to(tensor.device)))

    def _closed(self, held: list[tuple[list[int], Tensor]]) -> Tensor:
        """bool (batch, kv_heads, length): True for keys that are not looked at, being held or padding."""
        batch, kv_heads = self.codes.shape[:2]
        closed = torch.zeros(batch, kv_heads, self.length + 1, dtype=torch.bool, device=self.codes.device)
        if self.real is not None:
            closed[:, :, : self.length] = ~self.real[:, None, : self.length]
        for heads, positions in held:
            own = closed[:, heads].scatter_(2, positions.clamp_max(self.length).long(), True)
            closed[:, heads] = own
        return closed[:, :, : self.length]

    def _scores(self, query: Tensor) -> Tensor:
        """(lanes, rows, length) by the sketch; query (lanes, rows, dim) with the scale in it."""
        lanes, rows, dim = query.shape
        kv_heads, grain, length = self.codes.shape[1], self.periphery.grain, self.length
        means = self.means[:, :, : length // grain, :dim].flatten(0, 1).float()
        numbers = (query.view(-1, kv_heads, rows, dim) @ self.queries.float()).flatten(0, 1)
        level = query @ means.mT - MIDDLE * numbers.sum(-1, keepdim=True)
        scores = query.new_empty(lanes, rows, length)
        for start in range(0, length, CHUNK):
            some = slice(start, min(start + CHUNK, length))
            codes = self.codes[:, :, :, some].flatten(0, 1)
            scores[:, :, some] = numbers @ torch.cat((codes >> CODE, codes & 15), 1).float()
        scores.view(lanes, rows, -1, grain).add_(level[..., None])
        return scores

    def _summed(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """(output (lanes, rows, value_dim), lse (lanes, rows)); block by block, each on its mean value."""
        lanes, rows, length = scores.shape
        dim = self.keys.shape[1]
        top = scores.amax(-1, keepdim=True).clamp_min_(torch.finfo(torch.float32).min)
        weights = scores.sub_(top).exp_().view(lanes, rows, -1, self.periphery.grain).sum(-1)
        total = weights.sum(-1, keepdim=True)
        values = self.means[:, :, : length // self.periphery.grain, dim:].flatten(0, 1).float()
        output = (weights @ values) / total.clamp_min(torch.finfo(torch.float32).tiny)
        return output, (total.log() + top)[..., 0]

    def _add(self, key: Tensor, real: Tensor | None) -> None:
        """Whole blocks behind those that are there, for which there is room."""
        grain, batch, count, dim = self.periphery.grain, key.shape[0], key.shape[2], key.shape[3]
        blocks = _blocks(key, grain).float()
        residual, mean = _residual(blocks, None if real is None else real.reshape(batch, -1, grain))
        _finite(residual)
        numbers = residual.flatten(2, 3) @ self.keys.float()
        most = 2 ** (CODE - 1)
        codes = numbers.floor_().clamp_(-most, most - 1).add_(most).to(torch.uint8).mT
        half = codes.shape[2] // 2
        where, spot = (
            slice(self.length, self.length + count),
            slice(self.length // grain, (self.length + count) // grain),
        )
        self.codes[:, :, :, where] = codes[:, :, :half] << CODE | codes[:, :, half:]
        self.means[:, :, spot, :dim], self.means[:, :, spot, dim:] = mean, 0
        self.length += count

    def _make_room(self, least: int) -> None:
        """For so many tokens; and tensors that may be written to."""
        held, grain = self.codes.shape[3], self.periphery.grain
        if least <= held and not self.codes.is_inference():
            return
        room = -(-max(least, held + held // GROWTH) // grain) * grain if least > held else held
        (batch, heads), rank, width = self.codes.shape[:2], self.keys.shape[2], self.means.shape[3]
        codes, means, gone = _room(batch, heads, rank, width, grain, room, self.codes.device)
        codes[..., :held], means[:, :, : held // grain], gone[..., : held // grain] = self.codes, self.means, self.gone
        if self.real is not None:
            real = torch.ones(len(codes), room, dtype=torch.bool, device=codes.device)
            real[:, :held] = self.real
            self.real = real
        self.codes, self.means, self.gone = codes, means, gone

    def _tensors(self) -> dict[str, Tensor]:
        named = {name: getattr(self, name) for name in ("keys", "queries", "codes", "means", "gone", "real")}
        return {name: tensor for name, tensor in named.items() if tensor is not None}


def _room(
    batch: int, heads: int, rank: int, width: int, grain: int, room: int, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """codes, means, gone for `room` tokens."""
    return (
        torch.empty(batch, heads, rank // 2, room, dtype=torch.uint8, device=device),
        torch.empty(batch, heads, room // grain, width, dtype=torch.half, device=device),
        torch.zeros(batch, heads, room // grain, dtype=torch.int32, device=device),
    )


def _blocks(numbers: Tensor, grain: int) -> Tensor:
    """(batch, kv_heads, n, x) as (batch, kv_heads, n / grain, grain, x)."""
    return numbers.reshape(*numbers.shape[:2], -1, grain, numbers.shape[3])


def _residual(blocks: Tensor, real: Tensor | None) -> tuple[Tensor, Tensor]:
    """Keys (batch, kv_heads, blocks, grain, dim) less their block's mean, and the means (batch, kv_heads, blocks, dim),
    float16; real bool (batch, blocks, grain): what is padding is 0, and in no mean."""
    if real is None:
        means = blocks.mean(3).clamp_(-LARGEST, LARGEST).half()
        return blocks - means.float()[:, :, :, None], means
    shown = real[:, None, :, :, None]
    count = shown.sum(3).clamp_min(1)
    means = (torch.where(shown, blocks, 0.0).sum(3) / count).clamp_(-LARGEST, LARGEST).half()
    return torch.where(shown, blocks - means.float()[:, :, :, None], 0.0), means


def _told(numbers: Tensor, real: Tensor | None) -> Tensor:
    """(batch, heads, n, dim) without padding, real bool (batch, n): (1, heads, all that are real, dim)."""
    flat = numbers.transpose(0, 1).flatten(1, 2)
    return (flat if real is None else flat[:, real.flatten()])[None]


def _finite(*parts: Tensor) -> None:
    if not all(guard.finite(part) for part in parts):
        raise SpecError(
            "a key, value or query of this cache is not finite, so that no sketch can be made of it: leave periphery "
            "out of the Eviction"
        )
