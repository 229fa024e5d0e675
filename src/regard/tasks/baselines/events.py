"""Baselines of recommendation: what is popular, and what followed the last item most often."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regard.spec.errors import DataError
from regard.tasks.scores.ranking import Block, ranks

Items = NDArray[np.int64]

_USERS = 1024  # ranked together


def popularity_ranks(
    histories: Sequence[Items], truths: Items, *, items: int, seen: Sequence[Items] | None = None
) -> Items:
    """The place of each true item (test rows,) among all, by how often an item occurs in the training histories.

    histories (users,): the items of each, in order of time, from 0 to items - 1. seen: what is left out of a test row's
    ranking, if anything. Ties count against the true item (`regard.tasks.scores.ranking`).
    """
    counts = _popularity(histories, items)

    def among(rows: slice) -> Block:
        count = len(truths[rows])
        return lambda start, stop: np.broadcast_to(counts[start:stop], (count, stop - start))

    return _in_batches(among, truths, items, seen)


def markov_ranks(
    histories: Sequence[Items],
    last: Items,
    truths: Items,
    *,
    items: int,
    seen: Sequence[Items] | None = None,
) -> Items:
    """The same by how often an item came right after the row's last one, `last` (test rows,), in the histories: a
    first-order Markov chain. Items that never did are ranked by popularity below those that did."""
    from scipy.sparse import coo_matrix

    before = np.concatenate([history[:-1] for history in histories])
    after = np.concatenate([history[1:] for history in histories])
    counts = _popularity(histories, items)
    rare = counts / (counts.max() + 1)  # below 1: it only decides between equal counts
    ones = np.ones(len(before))
    followed = coo_matrix((ones, (before, after)), shape=(items, items)).tocsr()

    def among(rows: slice) -> Block:
        mine = followed[last[rows]].tocsc()
        return lambda start, stop: mine[:, start:stop].toarray() + rare[start:stop]

    return _in_batches(among, truths, items, seen)


def _popularity(histories: Sequence[Items], items: int) -> NDArray[np.float64]:
    every = np.concatenate(list(histories)) if len(histories) else np.empty(0, dtype=np.int64)
    if not len(every) or every.min() < 0 or every.max() >= items:
        raise DataError(f"{len(every)} items in {len(histories)} histories, expected 1 or more, from 0 to {items - 1}")
    return np.bincount(every, minlength=items).astype(float)


def _in_batches(among: Callable[[slice], Block], truths: Items, items: int, seen: Sequence[Any] | None) -> Items:
    """Ranks, some users at a time."""
    parts = []
    for start in range(0, len(truths), _USERS):
        rows = slice(start, start + _USERS)
        parts.append(ranks(among(rows), truths[rows], items=items, seen=None if seen is None else seen[rows]))
    return np.concatenate(parts)
