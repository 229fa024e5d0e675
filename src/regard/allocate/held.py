"""`Held`: the storage that keeps some keys as they are and lets go of the others. Ragged: each key head holds as many
as it keeps, in no more memory than that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from regard.allocate.eviction import Eviction
from regard.allocate.mass import faded, possible, received
from regard.allocate.part import Part
from regard.allocate.storage import Mass, Run
from regard.spec.mask import Mask
from regard.spec.membership import Dense
from regard.spec.positional import Causal
from regard.spec.request import Request, request

_CAUSAL = Causal()  # one value, so that whoever remembers what it found out about a mask knows it again


@dataclass(eq=False)
class Held:
    """Exact keys. `parts`: heads that hold equally many lie in one tensor. room: for how many more keys to make room
    at a time. pending: the queries whose mass has not been accounted for."""

    parts: list[Part]
    room: int
    half_life: float | None = None
    seen: int = 0
    pending: list[Tensor] = field(default_factory=list)
    lse: Tensor | None = None  # of the pending queries, where the kernel told it

    @classmethod
    def of(cls, key: Tensor, value: Tensor, *, room: int, half_life: float | None, real: Tensor | None) -> Held:
        """A layer that holds all of `key` and `value` (batch, kv_heads, key_len, ...), the tensors themselves."""
        return cls([Part.of(key, value, real)], room, half_life, key.shape[2])

    @property
    def bytes(self) -> int:
        tensors = [*self.pending, *(() if self.lse is None else (self.lse,))]
        return sum(part.bytes for part in self.parts) + sum(int(each.untyped_storage().nbytes()) for each in tensors)

    @property
    def sizes(self) -> list[int]:
        found = {head: part.count for part in self.parts for head in part.heads}
        return [found[head] for head in range(len(found))]

    @property
    def full(self) -> int:
        part, heads = self.parts[0], len(self.sizes)
        each = part.keys.element_size() * (part.keys.shape[3] + part.values.shape[3])
        return self.seen * each * heads * part.keys.shape[0]

    @property
    def waiting(self) -> int:
        return sum(query.shape[2] for query in self.pending)

    @property
    def whole(self) -> tuple[Tensor, Tensor] | None:
        return (self.parts[0].key, self.parts[0].value) if len(self.parts) == 1 else None

    @property
    def batch(self) -> int:
        return int(self.parts[0].keys.shape[0])

    def size(self, eviction: Eviction) -> int:
        return eviction.size(self.seen)

    def append(self, key: Tensor, value: Tensor) -> None:
        for part in self.parts:
            part.append(key, value, position=self.seen, room=self.room)
        self.seen += key.shape[2]

    def mark(self, real: Tensor) -> None:
        for part in self.parts:
            part.mark(real)

    def attend(self, asked: Request, run: Run) -> Tensor:
        self.pending.append(asked.query.detach())
        if len(self.parts) == 1:
            output, lse = run(over(asked, self.parts[0]))
            self.lse = lse if len(self.pending) == 1 else None
            return output
        self.lse = None
        whole = asked.query.new_empty(asked.output_shape[:3] + self.parts[0].value.shape[3:])
        for part in self.parts:
            asks = over(asked, part)
            whole[:, part.queries(asks.groups)] = run(asks)[0].to(whole.dtype)
        return whole

    def account(self, asked: Request) -> None:
        if not self.pending:
            return
        query = self.pending[0] if len(self.pending) == 1 else torch.cat(self.pending, 2)
        asked = replace(asked, query=query, place=replace(asked.place, query_len=query.shape[2]))
        fade = faded(query.shape[2], self.half_life)
        for part in self.parts:
            part.received.mul_(fade)
            found = received(over(asked, part), half_life=self.half_life, lse=self.lse)
            part.received[:, :, : part.count] += found
        self.forget()

    def forget(self) -> None:
        self.pending, self.lse = [], None

    def masses(self) -> list[Mass]:
        found = {}
        for part in self.parts:
            for slot, head in enumerate(part.heads):
                taken = slice(part.count)
                real = None if part.real is None else part.real[:, slot, taken]
                ages = (self.seen - part.positions[:, slot, taken]).to(part.received.dtype)
                found[head] = Mass(part.received[:, slot, taken], possible(ages, self.half_life), real)
        return [found[head] for head in range(len(found))]

    def keep(self, kept: Sequence[Tensor]) -> None:
        where = {head: (part, slot) for part in self.parts for slot, head in enumerate(part.heads)}
        alike: dict[int, list[int]] = {}
        for head in sorted(where):
            alike.setdefault(kept[head].shape[1], []).append(head)
        self.parts = [
            Part.gathered([where[head] for head in heads], heads, kept, self.room + 1) for heads in alike.values()
        ]

    def select(self, items: Tensor) -> None:
        for part in self.parts:
            part.select(items)
        self.pending = [query.index_select(0, items.to(query.device)) for query in self.pending]
        self.lse = None


def over(asked: Request, part: Part) -> Request:
    """`asked`'s queries over what the part holds: the last query stands on the last key."""
    key_heads, groups = len(part.heads), asked.query.shape[1] // asked.key.shape[1]
    heads = part.queries(groups)
    query = asked.query if key_heads == asked.key.shape[1] else asked.query[:, heads]
    sink = asked.sink
    if sink is not None and query is not asked.query:
        sink = replace(sink, per_head=sink.per_head[heads])
    return request(
        *(query, part.key, part.value),
        score=asked.score,
        mask=_mask(part, query.shape[2], groups),
        bias=sink,
        dropout=asked.dropout,
    )


def _mask(part: Part, query_len: int, groups: int) -> Mask | None:
    causal = _CAUSAL if query_len > 1 else None
    if part.real is None:
        return causal
    real = Dense(part.real[:, :, : part.count].repeat_interleave(groups, 1)[:, :, None])
    return real if causal is None else causal & real
