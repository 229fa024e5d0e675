"""Items of many requests, put through a model together: whoever waits longest goes first, with others of like size."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

from regard.app.serving.limits import Limits


class FullError(Exception):
    """The queue has no room; `seconds`: when there may be some."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"the queue is full for about {seconds} s")
        self.seconds = seconds


@dataclass(frozen=True)
class Item:
    """What is asked: of any kind, how long it is, and what sort of answer is wanted; alike ones go together."""

    given: Any
    length: int
    explain: bool = False

    @property
    def bucket(self) -> tuple[bool, int]:
        """Lengths within a factor of 2 are padded to each other."""
        return self.explain, self.length.bit_length()


class Heard(Protocol):
    """Who is told of each batch."""

    def batched(self, size: int, seconds: float) -> None: ...


@dataclass(eq=False)
class _Waiting:
    item: Item
    answer: asyncio.Future[Any]


@dataclass(eq=False)
class Batcher:
    """answer: items of one bucket -> what is said of each, or the exception that is each one's own. It runs in one
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
            batch = await self._gathered()
            if batch:
                await self._answered(batch)
            if not self._queue:
                self._arrived.clear()

    def close(self) -> None:
        """No batch goes on after the one that is running."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _gathered(self) -> list[_Waiting]:
        """The longest waiting item and others of its bucket; where there are few, those too that come soon."""
        until = time.monotonic() + self.limits.wait_ms / 1000
        while True:
            self._queue = [each for each in self._queue if not each.answer.done()]
            if not self._queue:
                return []
            bucket = self._queue[0].item.bucket
            alike = [each for each in self._queue if each.item.bucket == bucket][: self.limits.batch]
            left = until - time.monotonic()
            if len(alike) == self.limits.batch or left <= 0:
                taken = set(map(id, alike))
                self._queue = [each for each in self._queue if id(each) not in taken]
                return alike
            self._arrived.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), left)
            self._arrived.set()

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
