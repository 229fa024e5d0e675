"""Scores of recommendation by full ranking: the item that came next, ranked among all items.

Sampled candidates are not offered: they can turn the order of two systems round (Krichene & Rendle 2020).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regard.spec.errors import DataError, SpecError
from regard.tasks.scores.measure import Measure, Scored, mean_of, paired

Items = NDArray[np.int64]
Block = Callable[[int, int], NDArray[np.floating[Any]]]  # items from, to -> their scores (rows, to - from)


def ranks(score: Block, truths: Items, *, items: int, seen: Sequence[Items] | None = None, block: int = 4096) -> Items:
    """The place of each row's true item among all items, from 1: (rows,).

    score: gives the scores of some items for all rows, higher is better; it is called twice for each block of items,
    so that never more than (rows, block) scores are held. Items that score as high as the true one count as ranked
    above it: a model that gives all items the same score gets the last place, not the first. seen (rows,): items to
    leave out of a row's ranking, those the user has had for instance; the true item stays in.

    Raises:
        DataError: a true item is not one of the items, or a score is NaN.
    """
    if truths.ndim != 1 or not len(truths) or truths.min() < 0 or truths.max() >= items:
        raise DataError(f"truths {truths.shape}, expected (rows,) of items from 0 to {items - 1}, 1 row or more")
    starts = range(0, items, block)
    own = np.empty(len(truths))
    for start in starts:
        here = np.flatnonzero((truths >= start) & (truths < start + block))
        if len(here):
            own[here] = _scores(score, start, min(start + block, items), len(truths))[here, truths[here] - start]
    above = np.zeros(len(truths), dtype=np.int64)
    had, rows = _had(seen, truths)
    for start in starts:
        as_high = _scores(score, start, min(start + block, items), len(truths)) >= own[:, None]
        first, last = np.searchsorted(had, (start, start + block))
        as_high[rows[first:last], had[first:last] - start] = False
        above += as_high.sum(1)
    return above  # the true item counts itself: the first place is 1


def hit_rate(top: int) -> Measure:
    """HR@k: the share of rows whose true item is among the first `top`. Answers: `ranks`; truths: the true items."""
    _check_top(top)
    return _of_ranks(f"HR@{top}", lambda places: (places <= top).astype(float), share=True)


def ndcg(top: int) -> Measure:
    """NDCG@k with one true item a row (Järvelin & Kekäläinen 2002): the mean of 1 / log2(1 + rank), 0 below `top`.

    Answers: `ranks`; truths: the true items.
    """
    _check_top(top)
    return _of_ranks(f"NDCG@{top}", lambda places: np.where(places <= top, 1 / np.log2(1.0 + places), 0.0))


def _of_ranks(name: str, value: Callable[[Items], NDArray[np.float64]], *, share: bool = False) -> Measure:
    def weigh(answers: Sequence[int] | Items, truths: Sequence[int] | Items) -> Scored:
        paired(name, answers, truths)
        places = np.asarray(answers)
        if places.ndim != 1 or places.min() < 1:
            raise DataError(f"{name}: answers {places.shape} from {places.min()}, expected ranks (rows,) from 1")
        return mean_of(value(places), share=share)

    return Measure(name, weigh, said="ranking:full|ties:against")


def _scores(score: Block, start: int, stop: int, rows: int) -> NDArray[np.floating[Any]]:
    found = score(start, stop)
    if found.shape != (rows, stop - start):
        raise DataError(f"scores {found.shape} of items {start} to {stop - 1}, expected ({rows}, {stop - start})")
    if np.isnan(found).any():
        row, item = np.argwhere(np.isnan(found))[0]
        raise DataError(f"the score of item {start + item} for row {row} (from 0) is NaN: it has no place in a ranking")
    return found


def _had(seen: Sequence[Items] | None, truths: Items) -> tuple[Items, Items]:
    """What is left out: items, rising, and the row of each; never a row's true item."""
    if not seen:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    paired("seen items", seen, truths)
    rows = np.repeat(np.arange(len(seen)), [len(items) for items in seen])
    items = np.concatenate([np.asarray(items, dtype=np.int64) for items in seen])
    kept = items != truths[rows]
    order = np.argsort(items[kept], kind="stable")
    return items[kept][order], rows[kept][order]


def _check_top(top: int) -> None:
    if top < 1:
        raise SpecError(f"top was {top}, expected at least 1")
