"""A training part that stays on disk: its rows are read in chunks, in the order that it brings."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from regard.tasks.part import BatchSize
from regard.tasks.readers.chunk_order import CHUNK, ChunkOrder, Indices, Lengths
from regard.tasks.readers.large_parts import Subset
from regard.tasks.readers.reading import Judge
from regard.tasks.readers.store import Arrays, Encode, Store

R = TypeVar("R")

Rows = Mapping[str, Sequence[Any]]
Read = Callable[[int, int], Rows]  # (start, stop) -> every column of these rows
Collate = Callable[[Rows], Any]  # the columns of the rows of a batch, in their order -> the batch

_HELD = 80  # chunks held at once: more than a pool has (64, and the pieces at its ends), so that each is read once


class LazyPart:
    """Rows that are read when they are asked for: encoded ones out of a `Store`, or raw ones out of a `Subset` and
    encoded in `collate`. It fits `tasks.part.OrderedPart`."""

    def __init__(self, rows: int, read: Read, lengths: Lengths, collate: Collate) -> None:
        self.rows, self.read, self.lengths_of, self.collate = rows, read, lengths, collate
        self._chunks: OrderedDict[int, Rows] = OrderedDict()

    def __len__(self) -> int:
        return self.rows

    def batch(self, rows: Indices) -> Any:
        """The batch of these rows, in this order. Fast for rows of chunks that were read lately."""
        found = [(self._chunk(int(row) // CHUNK), int(row) % CHUNK) for row in rows]
        names = found[0][0].keys()
        return self.collate({name: [chunk[name][place] for chunk, place in found] for name in names})

    def order(self, size: BatchSize, seed: int) -> ChunkOrder:
        """Chunks shuffled, rows shuffled in pools of them, alike in length inside a batch."""
        return ChunkOrder(self.rows, self.lengths_of, size, seed)

    def _chunk(self, number: int) -> Rows:
        if number in self._chunks:
            self._chunks.move_to_end(number)
            return self._chunks[number]
        start = number * CHUNK
        self._chunks[number] = self.read(start, min(start + CHUNK, self.rows))
        while len(self._chunks) > _HELD:
            self._chunks.popitem(last=False)
        return self._chunks[number]


def stored_part(store: Store, collate: Collate) -> LazyPart:
    """A part of encoded rows. `collate` gets every column's arrays."""
    return LazyPart(len(store), store.read, store.lengths, collate)


def raw_part(subset: Subset, judge: Judge[R], collate: Collate) -> LazyPart:
    """A part of rows as they are in the file, encoded on the way: `collate` gets them as "rows".

    Where the file is text, rows are taken for as long as their bytes.
    """
    read = subset.reader(judge)

    def lengths(start: int, stop: int) -> Indices:
        places = subset.places.read(start, stop)
        if not len(places):
            return places
        sizes = subset.survey.files["size"].read(int(places[0]), int(places[-1]) + 1)
        found: Indices = np.maximum(sizes[places - places[0]], 1)
        return found

    return LazyPart(len(subset), lambda start, stop: {"rows": read(np.arange(start, stop))}, lengths, collate)


def encoding(subset: Subset, judge: Judge[R], encode: Callable[[Sequence[R]], Mapping[str, Arrays]]) -> Encode:
    """What `stored` asks for: the rows of a part, read from the file and encoded some at a time."""
    read = subset.reader(judge)
    return lambda start, stop: encode(read(np.arange(start, stop)))
