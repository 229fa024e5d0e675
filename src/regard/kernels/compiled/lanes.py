"""All lanes and rows, in threads: what is picked and read rounded, then, with the very best as they are, the sums.

The two halves are compiled apart, because what is read as it is comes in the cache's own dtype and layout, which torch
knows how to read. Shapes: L lanes, R rows (queries), otherwise as in the files of the steps.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numba import prange

from regard.kernels.compiled import judging, keys, picking, values
from regard.kernels.compiled.compiler import Array, loop, stamp, step
from regard.kernels.compiled.floats import exp2, peak, total


class Stock(NamedTuple):
    """A sketch. turn, key_step and value_step are the key heads', of which the lanes have one after the other."""

    codes: Array  # uint8 (L, r / 2, room)
    keys: Array  # uint8 (L, room, width)
    values: Array  # uint8 (L, room, width)
    means: Array  # int16 (L, room / grain, d + e), the bits of half precision
    turn: Array  # float32 (kv_heads, d, r)
    key_step: Array  # float32 (kv_heads, d)
    value_step: Array  # float32 (kv_heads, e)


class Terms(NamedTuple):
    length: int  # keys in the sketch
    grain: int
    bits: int
    exact: int  # of the picked keys that are read as they are, at most
    first: int


class Asked(NamedTuple):
    query: Array  # float32 (L, R, G, d)
    allowed: Array  # uint8 (L or 1, R, all keys), or no keys: all are allowed
    most: Array  # int64 (L or 1, R)
    latest: Array  # int64 (L or 1, R): how many of them are kept for the latest keys


class Found(NamedTuple):
    """What the first half leaves for the second."""

    picks: Array  # int32 (L, R, k), in order
    many: Array  # int64 (L, R): how many of them there are; -1: more than fit must be read
    scores: Array  # float32 (L, R, G, k)
    around: Array  # float32 (L, R, G, b): weights of what is not read, by blocks
    top: Array  # float32 (L, R, G): the score of a weight of 1; NaN: lost
    best: Array  # int32 (L, R, x): which of the picks are read as they are
    again: Array  # int64 (L, R): how many of them there are


class Plain(NamedTuple):
    """Rows as they are, float32: of the best (L, R, x, d or e), and behind the sketch (L, t, d or e)."""

    keys: Array
    values: Array
    late_keys: Array
    late_values: Array


class Room(NamedTuple):
    """A worker's own."""

    weights: Array  # float32 (G, n)
    ranks: Array  # float32 (n)
    bases: Array  # float32 (G, b)
    factors: Array  # float32 (G, r + 2)
    open: Array  # int64 (b)
    totals: Array  # float32 (G)
    peaks: Array  # float32 (grain)
    places: Array  # int32 (n + 1)
    found: Array  # int32 (n + 1)


@cache
def picking_loop(parallel: bool) -> Callable[[Asked, Stock, Terms, Found, int], None]:
    """The first half: `Found` is written into, by so many workers."""
    mark = stamp(parallel)

    def run(asked: Asked, stock: Stock, terms: Terms, found: Found, workers: int) -> None:
        mark  # noqa: B018  see `loop`
        lanes, rows = asked.query.shape[:2]
        for worker in prange(workers):
            room = _room(asked, stock, terms)
            for task in range(worker, lanes * rows, workers):
                _picked(asked, stock, terms, found, room, task // rows, task % rows)

    return loop(run, parallel=parallel)


@cache
def summing_loop(parallel: bool) -> Callable[[Asked, Stock, Terms, Found, Plain, Array, Array, int], None]:
    """The second half: output (L, R, G, e) and log2 of the sum of weights (L, R, G) are written into; so are the scores
    of `Found`, which become weights."""
    mark = stamp(parallel)

    def run(
        asked: Asked, stock: Stock, terms: Terms, found: Found, plain: Plain, output: Array, lse: Array, workers: int
    ) -> None:
        mark  # noqa: B018  see `loop`
        lanes, rows = asked.query.shape[:2]
        for worker in prange(workers):
            for task in range(worker, lanes * rows, workers):
                lane, row = task // rows, task % rows
                _summed(asked, stock, terms, found, plain, output[lane, row], lse[lane, row], lane, row)

    return loop(run, parallel=parallel)


@step
def _room(asked: Asked, stock: Stock, terms: Terms) -> Room:
    groups, blocks = asked.query.shape[2], terms.length // terms.grain
    return Room(
        np.empty((groups, terms.length), np.float32),
        np.empty(terms.length, np.float32),
        np.empty((groups, blocks), np.float32),
        np.empty((groups, stock.turn.shape[2] + 2), np.float32),
        np.empty(blocks, np.int64),
        np.empty(groups, np.float32),
        np.empty(terms.grain, np.float32),
        np.empty(terms.length + 1, np.int32),
        np.empty(terms.length + 1, np.int32),
    )


@step
def _picked(asked: Asked, stock: Stock, terms: Terms, found: Found, room: Room, lane: int, row: int) -> None:
    head, shared, query, top = (
        lane % len(stock.turn),
        min(lane, len(asked.most) - 1),
        asked.query[lane, row],
        found.top[lane, row],
    )
    allowed = asked.allowed[min(lane, len(asked.allowed) - 1), row, : terms.length]
    most, latest = asked.most[shared, row], asked.latest[shared, row]
    judging.turned(query, stock.turn[head], room.factors)
    judging.opened(allowed, terms.grain, room.open)
    judging.based(stock.means[lane], query, room.bases)
    for one in range(len(query)):
        factors, bases, weights = room.factors[one], room.bases[one], room.weights[one]
        if judging.lost(bases, factors[-1], room.open):
            top[one] = np.float32(np.nan)
        else:
            top[one] = judging.judged(stock.codes[lane], factors, bases, allowed, terms.grain, room.peaks, weights)
        room.totals[one] = judging.weighed(weights, top[one])
    ranks = room.weights[0]  # written over where it may be: what is reserved is read, if no mask is in the way
    if len(query) > 1 or len(allowed) or most < terms.first:
        ranks = room.ranks
        picking.ranked(room.weights, room.totals, ranks)
    if picking.reserved(ranks, allowed, room.open, terms.grain, terms.first, latest) > most:
        found.many[lane, row] = -1
        return
    many = picking.chosen(ranks, most, room.places, room.found, found.picks[lane, row])
    picks, scores = found.picks[lane, row, :many], found.scores[lane, row]
    keys.left(room.weights, picks, room.open, terms.grain, found.around[lane, row])
    if terms.bits != 16:
        key_step = stock.key_step[head]
        keys.scored(stock.keys[lane], query, key_step, room.bases, terms.bits, terms.grain, picks, scores)
    found.many[lane, row] = many
    found.again[lane, row] = keys.best(
        scores,
        picks,
        terms.exact,
        terms.first,
        room.ranks,
        room.weights[0],
        room.places,
        room.found,
        found.best[lane, row],
    )


@step
def _summed(
    asked: Asked, stock: Stock, terms: Terms, found: Found, plain: Plain, output: Array, lse: Array, lane: int, row: int
) -> None:
    """output (G, e), lse (G)"""
    query, many, again = asked.query[lane, row], found.many[lane, row], found.again[lane, row]
    allowed = asked.allowed[min(lane, len(asked.allowed) - 1), row, terms.length :]
    picks, best, exact = found.picks[lane, row, :many], found.best[lane, row, :again], plain.values[lane, row]
    scores, around = found.scores[lane, row], found.around[lane, row]
    late = np.empty((len(query), plain.late_keys.shape[1]), np.float32)
    shifts, weights = np.empty(len(query), np.float32), np.empty(len(query), np.float32)
    for head in range(len(query)):
        shown, behind = scores[head, :many], late[head]
        values.reread(query[head], plain.keys[lane, row], best, shown)
        values.late(query[head], plain.late_keys[lane], allowed, behind)
        shift = peak(behind, peak(shown, found.top[lane, row, head]))
        values.shared(shown, shift)
        values.shared(behind, shift)
        values.scaled(around[head], exp2(found.top[lane, row, head] - shift))
        shifts[head], weights[head] = shift, total(shown) + total(around[head]) + total(behind)
    values_of, means, value_step = stock.values[lane], stock.means[lane], stock.value_step[lane % len(stock.turn)]
    output[:] = np.float32(0)
    if terms.bits != 16:
        values.corrected(scores, best, picks, values_of, means, exact, value_step, terms.bits, terms.grain, output)
    for head in range(len(query)):
        values.averaged(scores[head], around[head], picks, means, terms.grain, output[head])
        values.behind(late[head], plain.late_values[lane], output[head])
    if terms.bits != 16:
        values.beyond(scores, picks, values_of, value_step, terms.bits, output)
    else:
        values.residual(scores, picks, exact, means, terms.grain, output)
    for head in range(len(query)):
        lse[head] = values.finished(output[head], weights[head], shifts[head])
