"""The order of an epoch over more rows than fit into memory: chunks shuffled, then rows inside a pool of chunks.

Drawn from (seed, epoch) and (seed, epoch, pool) alone, so that a run that goes on sees what it would have seen. One
number a chunk and one pool of rows are held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from regard.tasks.part import BatchSize

CHUNK = 512  # rows that are read together
_POOL = 32_768  # rows among which one is shuffled, about

Indices = NDArray[np.int64]
Lengths = Callable[[int, int], Indices]  # (start, stop) -> the lengths of these rows


@dataclass(frozen=True)
class ChunkOrder:
    """Which rows make up each batch of each epoch: every row once, neighbours of the file in one pool.

    Chunks of 512 rows are shuffled and strung together; of that string, pools of about 32,768 rows are shuffled, sorted
    by length, cut into batches, and the batches shuffled. The last batch of an epoch may be smaller; with a token count
    in `size`, the last of each pool.
    """

    rows: int
    lengths: Lengths
    size: BatchSize
    seed: int
    chunk: int = CHUNK
    about: int = _POOL
    counted: dict[int, int] = field(default_factory=dict)  # epoch -> batches, where they had to be counted

    @property
    def pool(self) -> int:
        """Rows of a pool: whole batches."""
        return max(1, self.about // self.size.rows) * self.size.rows

    def steps(self, epoch: int) -> int:
        """Batches of an epoch. With a token count every row's length is looked at, once an epoch."""
        if self.size.tokens is None:
            return -(-self.rows // self.size.rows)
        if epoch not in self.counted:
            self.counted[epoch] = sum(len(cuts) for _, _, cuts in self._pools(epoch, 0))
        return self.counted[epoch]

    def batches(self, epoch: int, start: int = 0) -> Iterator[Indices]:
        """The batches of an epoch from number `start` on: arrays of row indices."""
        skipped = 0
        first = start // (self.pool // self.size.rows) if self.size.tokens is None else 0
        skipped = first * (self.pool // self.size.rows)
        for draw, rows, cuts in self._pools(epoch, first):
            for place in draw.permutation(len(cuts)):
                if skipped >= start:
                    yield rows[cuts[place]]
                skipped += 1

    def _pools(self, epoch: int, first: int) -> Iterator[tuple[np.random.Generator, Indices, list[slice]]]:
        """From pool `first` on: (its generator, its rows sorted by length, the stretches of them that are batches)."""
        chunks = np.random.default_rng((self.seed, epoch)).permutation(-(-self.rows // self.chunk))
        for number in range(first, -(-self.rows // self.pool)):
            draw = np.random.default_rng((self.seed, epoch, number))
            begin, end = number * self.pool, min((number + 1) * self.pool, self.rows)
            rows, lengths = self._string(chunks, begin, end)
            shuffled = draw.permutation(len(rows))
            sort = shuffled[np.argsort(lengths[shuffled], kind="stable")]
            yield draw, rows[sort], _cuts(lengths[sort], self.size)

    def _string(self, chunks: Indices, begin: int, end: int) -> tuple[Indices, Indices]:
        """Rows `begin` to `end` of the chunks strung together, and their lengths."""
        sizes = np.minimum(self.chunk, self.rows - chunks * self.chunk)
        ends = np.cumsum(sizes)
        rows, lengths = [], []
        place = int(np.searchsorted(ends, begin, side="right"))
        while place < len(chunks) and ends[place] - sizes[place] < end:
            before = int(ends[place] - sizes[place])
            low = int(chunks[place]) * self.chunk + max(begin - before, 0)
            high = int(chunks[place]) * self.chunk + min(end - before, int(sizes[place]))
            rows.append(np.arange(low, high, dtype=np.int64))
            lengths.append(self.lengths(low, high))
            place += 1
        return np.concatenate(rows), np.concatenate(lengths)


def _cuts(lengths: Indices, size: BatchSize) -> list[slice]:
    """Sorted rows cut into batches: of `size.rows`, or as many as keep rows x longest row within its tokens."""
    if size.tokens is None:
        return [slice(at, min(at + size.rows, len(lengths))) for at in range(0, len(lengths), size.rows)]
    cuts, begin = [], 0
    for at, length in enumerate(lengths):
        if at > begin and (at - begin == size.rows or (at - begin + 1) * int(length) > size.tokens):
            cuts.append(slice(begin, at))
            begin = at
    return [*cuts, slice(begin, len(lengths))]
