"""`Sketched`: the storage that keeps some keys as they are, and of the others a sketch.

Attention over both is one softmax: the exact part, over what is held, and the part by the sketch, over what was let go,
each come with their lse, by which they are added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from regard.allocate.eviction import Eviction
from regard.allocate.held import Held
from regard.allocate.past import Past
from regard.allocate.periphery import LEARNT, Periphery
from regard.allocate.storage import Mass, Run
from regard.kernels import row_sums, second_pass
from regard.kernels.sketch_basis import rank_of
from regard.spec.errors import KernelError
from regard.spec.request import Request
from regard.spec.score import Dot, General, ScaledDot


@dataclass(eq=False)
class Sketched:
    """held: keys as they are; all those that came after `past.length` are among them. past: None before its directions
    were learnt, from the first queries and keys."""

    held: Held
    periphery: Periphery
    past: Past | None = field(default=None)

    @classmethod
    def of(cls, held: Held, periphery: Periphery, asked: Request) -> Sketched:
        """Raises `KernelError` for a score whose keys cannot be sketched."""
        if not isinstance(asked.score, (Dot, ScaledDot, General)) or not rank_of(periphery.sketch, asked.key.shape[3]):
            raise KernelError(
                f"a periphery takes ScaledDot, Dot and General, and keys of at least 2 dimensions, got {asked.score!r} "
                f"and {asked.key.shape[3]} dimension(s): leave it out of the Eviction"
            )
        return cls(held, periphery)

    @property
    def seen(self) -> int:
        return self.held.seen

    @property
    def batch(self) -> int:
        return self.held.batch

    @property
    def sizes(self) -> list[int]:
        return self.held.sizes

    @property
    def bytes(self) -> int:
        return self.held.bytes + (0 if self.past is None else self.past.bytes)

    @property
    def full(self) -> int:
        return self.held.full

    @property
    def waiting(self) -> int:
        return self.held.waiting

    @property
    def whole(self) -> tuple[Tensor, Tensor] | None:
        """As long as nothing was let go: a sketch is not for a model's own attention."""
        return self.held.whole if self.past is None or self.past.empty else None

    def size(self, eviction: Eviction) -> int:
        part = self.held.parts[0]
        taken = self.periphery.keys(self.seen, part.keys.shape[3], part.values.shape[3])
        early = self.seen < LEARNT * self.periphery.grain
        return self.seen if early else eviction.size(self.seen, beside=taken)

    def append(self, key: Tensor, value: Tensor) -> None:
        self.held.append(key, value)

    def mark(self, real: Tensor) -> None:
        self.held.mark(real)

    def attend(self, asked: Request, run: Run) -> Tensor:
        past = self.past
        if past is None or past.empty:
            return self.held.attend(asked, run)
        sums: list[Tensor] = []

        def told(request: Request) -> tuple[Tensor, Tensor | None]:
            output, lse = run(request)
            sums.append(_lse(request) if lse is None else lse)
            return output, lse

        output = self.held.attend(asked, told)
        lse = output.new_empty(output.shape[:3], dtype=torch.float32)
        for part, own in zip(self.held.parts, sums, strict=True):
            lse[:, part.queries(asked.groups)] = own.to(lse.dtype)
        places = [(part.heads, part.positions[:, :, : part.count]) for part in self.held.parts]
        return _added((output, lse), past.looked(asked, places))

    def account(self, asked: Request) -> None:
        grown = self.seen >= LEARNT * self.periphery.grain
        if self.past is None and grown and self.held.pending:
            self._learn(torch.cat(self.held.pending, 2))
        self.held.account(asked)

    def forget(self) -> None:
        self.held.forget()

    def masses(self) -> list[Mass]:
        """What is not in a whole block yet stays, and so counts as real even where it is padding."""
        late = self.seen % self.periphery.grain
        found = []
        for mass in self.held.masses():
            real = mass.real
            if real is not None and late:
                real = real.clone()
                real[:, -late:] = True
            found.append(Mass(mass.received, mass.queries, real, late))
        return found

    def keep(self, kept: Sequence[Tensor]) -> None:
        """Let go of all keys but these, into the sketch: those that came after the last whole block are among them."""
        if self.past is None:
            self._learn(None)
        past = self.past
        assert past is not None
        self._follow(past)
        for part in self.held.parts:
            going = torch.ones_like(part.positions[:, :, : part.count], dtype=torch.bool)
            for slot, head in enumerate(part.heads):
                going[:, slot].scatter_(1, kept[head], False)
            if part.real is not None:
                going &= part.real[:, :, : part.count]
            past.let_go(part.heads, part.positions[:, :, : part.count], part.value, going)
        self.held.keep(kept)

    def select(self, items: Tensor) -> None:
        self.held.select(items)
        if self.past is not None:
            self.past.select(items)

    def _learn(self, query: Tensor | None) -> None:
        """Nothing was let go yet: every part holds all there is."""
        key, real = self._latest(self.seen)
        self.past = Past.learnt(self.periphery, key, self.held.parts[0].values.shape[3], query, real)

    def _follow(self, past: Past) -> None:
        """Take the blocks that have become whole since into the sketch."""
        new = self.seen // self.periphery.grain * self.periphery.grain - past.length
        if new:
            key, real = self._latest(self.seen - past.length)
            past.follow(key[:, :, :new], None if real is None else real[:, :new])

    def _latest(self, count: int) -> tuple[Tensor, Tensor | None]:
        """The keys (batch, kv_heads, count, dim) that came last, which all heads hold, and which of them are real
        (batch, count), None where all are."""
        parts = self.held.parts
        real = next((part.real[:, 0, part.count - count : part.count] for part in parts if part.real is not None), None)
        if len(parts) == 1:
            return parts[0].key[:, :, -count:], real
        key = parts[0].key.new_empty(self.batch, len(self.sizes), count, parts[0].key.shape[3])
        for part in parts:
            key[:, part.heads] = part.key[:, :, -count:]
        return key, real


def _lse(request: Request) -> Tensor:
    """(batch, heads, query_len), where the kernel that made the output kept it to itself."""
    place = request.place
    with torch.no_grad(), torch.autocast(request.query.device.type, enabled=False):
        every = torch.arange(place.query_len)
        return row_sums.lse(request, second_pass.made(request), every, tuple(range(place.heads)))


def _added(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> Tensor:
    """Two parts of one softmax, each an output (batch, heads, n, e) and its lse (batch, heads, n): the whole, in the
    first one's dtype; 0 where neither part has a key."""
    top = torch.maximum(first[1], second[1]).clamp_min(torch.finfo(torch.float32).min)
    near, far = (torch.exp(lse - top)[..., None] for _, lse in (first, second))
    whole = (near * first[0].to(near.dtype) + far * second[0]) / (near + far).clamp_min(torch.finfo(near.dtype).tiny)
    return whole.to(first[0].dtype)
