"""How much a server takes on: sizes of requests, of batches and of the queue, and how long it waits."""

from __future__ import annotations

from dataclasses import dataclass, fields

from regard.spec.errors import SpecError


@dataclass(frozen=True)
class Limits:
    """batch: items that go through the model together, at most. queue: items that may wait; beyond it 429 is answered.
    items: of one request. characters: of one text. body: bytes of a request. seconds: until an item that is still
    waiting is given up. read_seconds: for a body to arrive.

    Raises `SpecError` for one that is no number above 0.
    """

    batch: int = 16
    queue: int = 256
    items: int = 64
    characters: int = 20_000
    body: int = 4_000_000
    seconds: float = 30.0
    read_seconds: float = 15.0

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if not value > 0:
                raise SpecError(f"Limits({each.name}={value}): expected a number above 0")
        if self.items > self.queue:
            raise SpecError(f"Limits(items={self.items}, queue={self.queue}): a request must fit into the queue")
