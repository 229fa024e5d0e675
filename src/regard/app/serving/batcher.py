"""Items of many requests, put through a model together: whoever waits longest goes first, with others of like size.

Nothing waits for others to come. While one batch is in the model the next gathers by itself, so that batches are as
large as the load makes them: of one item where requests are rare, of `Limits.batch` where the queue is long.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

from regard.app.serving.limits import Limits

_PADDED = 2  # items are padded to the longest of their batch: never to more than this times the shortest


class FullError(Exception):
    """The queue has no room; `seconds`: when there may be some."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"the queue is full for about {seconds} s")
        self.seconds = seconds


@dataclass(frozen=True)
class Item:
    """What is asked: of any kind, how long it is (1 at least), and how it is to be explained; those of one `explain` go
    together."""

    given: Any
    length: int
    explain: Any = False


class Heard(Protocol):
    """Who is told of each batch."""

    def batched(self, size: int, seconds: float) -> None: ...


@dataclass(eq=False)
class _Waiting:
    item: Item
    answer: asyncio.Future[Any]


def alike(items: Sequence[Item], most: int) -> list[int]:
    """Places of the first item and of up to `most` - 1 others of its kind: those nearest to it in length, of equal ones
    the earlier, as long as the longest is at most `_PADDED` times the shortest."""
    first = items[0]
    kin = [place for place, one in enumerate(items) if one.explain == first.explain]
    kin.sort(key=lambda place: abs(math.log(items[place].length / first.length)))
    taken: list[int] = []
    low = high = first.length
    for place in kin:
        length = items[place].length
        if max(high, length) <= _PADDED * min(low, length):
            low, high = min(low, length), max(high, length)
            taken.append(place)
            if len(taken) == most:
                break
    return taken


@dataclass(eq=False)
class Batcher:
    """answer: items of one batch -> what is said of each, or the exception that is each one's own. It runs in one
    thread, one batch after another, while requests go on arriving."""

    answer: Callable[[Sequence[Item]], Sequence[Any]]
    limits: Limits
    heard: Heard
    _queue: list[_Waiting] = field(default_factory=list)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "answers"))
    _per_item: float = 0.01  # seconds, as of late
    _busy: int = 0  # items that are being answered

    @property
    def waiting(self) -> int:
        """Items in the queue."""
        return len(self._queue)

    async def submit(self, items: Sequence[Item]) -> list[Any]:
        """The answers to a request's items, in their order, or the exception of an item.

        Raises:
            FullError: there is no room for all of them.
            TimeoutError: one was not answered in time.
        """
        if len(self._queue) + len(items) > self.limits.queue:
            raise FullError(max(1, round(self._per_item * (len(self._queue) + self._busy))))
        loop = asyncio.get_running_loop()
        mine = [_Waiting(item, loop.create_future()) for item in items]
        self._queue += mine
        self._arrived.set()
        try:
            answers = asyncio.gather(*(each.answer for each in mine), return_exceptions=True)
            return list(await asyncio.wait_for(answers, self.limits.seconds))
        except asyncio.TimeoutError as error:  # until Python 3.11 another class
            raise TimeoutError from error
        finally:
            for each in mine:  # of a request that was given up
                each.answer.cancel()

    async def run(self) -> None:
        """Answers until it is cancelled."""
        while True:
            await self._arrived.wait()
            batch = self._taken()
            if batch:
                await self._answered(batch)
            if not self._queue:
                self._arrived.clear()

    def close(self) -> None:
        """No batch goes on after the one that is running."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _taken(self) -> list[_Waiting]:
        """The longest waiting item and those most like it in length, out of the queue; empty where nothing waits."""
        self._queue = [each for each in self._queue if not each.answer.done()]
        if not self._queue:
            return []
        found = alike([each.item for each in self._queue], self.limits.batch)
        batch = [self._queue[place] for place in found]
        taken = set(found)
        self._queue = [each for place, each in enumerate(self._queue) if place not in taken]
        return batch

    async def _answered(self, batch: list[_Waiting]) -> None:
        began, self._busy = time.monotonic(), len(batch)
        try:
            said = await asyncio.get_running_loop().run_in_executor(
                self._thread, self.answer, [each.item for each in batch]
            )
        except Exception as error:
            said = [error] * len(batch)
        taken, self._busy = time.monotonic() - began, 0
        self._per_item = 0.8 * self._per_item + 0.2 * taken / len(batch)
        self.heard.batched(len(batch), taken)
        for each, one in zip(batch, said, strict=True):
            if not each.answer.done():
                if isinstance(one, BaseException):
                    each.answer.set_exception(one)
                else:
                    each.answer.set_result(one)
