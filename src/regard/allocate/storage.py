"""`Storage`: what holds the keys and values of one layer in a cache that is cut back.

`Held` keeps some keys as they are and lets go of the others; `Sketched` keeps a sketch of those that `keep` leaves out.
Another kind does the same things in its own way, and is made in `Evicting` instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from torch import Tensor

from regard.allocate.eviction import Eviction
from regard.spec.request import Request

Run = Callable[[Request], "tuple[Tensor, Tensor | None]"]  # computes a request: (output, lse or None)


class Mass(NamedTuple):
    """What each key of one head has received, (batch, keys), in order of position. queries: by how many queries, each
    weighing as much as it did in `received`. real: False for padding, or None where there is none. late: how many of
    the latest stay whatever they received."""

    received: Tensor
    queries: Tensor
    real: Tensor | None
    late: int = 0


class Storage(Protocol):
    """Keys and values of one layer, in order of position: the latest token is the last key of every head."""

    @property
    def seen(self) -> int:
        """Tokens, those that were let go included."""
        ...

    @property
    def batch(self) -> int: ...

    @property
    def sizes(self) -> list[int]:
        """Keys that each key head holds."""
        ...

    @property
    def bytes(self) -> int:
        """Of all tensors, as allocated."""
        ...

    @property
    def full(self) -> int:
        """Bytes of the keys and values of all tokens seen."""
        ...

    @property
    def waiting(self) -> int:
        """Queries that have not been accounted for."""
        ...

    @property
    def whole(self) -> tuple[Tensor, Tensor] | None:
        """(key, value) over all heads, (batch, kv_heads, keys, ...), for a model's own attention to read; None where
        that cannot be, for heads hold different numbers, or there is more to read than keys and values."""
        ...

    def size(self, eviction: Eviction) -> int:
        """Keys that each head is to keep by now, on average."""
        ...

    def append(self, key: Tensor, value: Tensor) -> None:
        """Take in (batch, kv_heads, new, dim) and (batch, kv_heads, new, value_dim)."""
        ...

    def mark(self, real: Tensor) -> None:
        """`real` (batch, new) is False where a key that came last is padding."""
        ...

    def attend(self, asked: Request, run: Run) -> Tensor:
        """(batch, heads, query_len, value_dim): attention of the latest queries, which are `asked`'s, over all that is
        held from before, and among the new keys over those up to the query's own. The queries then wait for
        `account`."""
        ...

    def account(self, asked: Request) -> None:
        """Add the mass that keys received from the queries that wait. `asked`: the latest call."""
        ...

    def forget(self) -> None:
        """Let go of queries that wait: keys come that they are not the last queries of."""
        ...

    def masses(self) -> list[Mass]:
        """For each key head."""
        ...

    def keep(self, kept: Sequence[Tensor]) -> None:
        """Let go of all keys but these: for each key head (batch, size) places among those it holds, ascending."""
        ...

    def select(self, items: Tensor) -> None:
        """Only these items of the batch, in this order."""
        ...
