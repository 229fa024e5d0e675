"""All lanes and rows, in threads: of each query what is picked and read, rounded or as it is, and the sums.

Shapes: L lanes, R rows (queries), otherwise as in the files of the steps.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import carray, types

from regard.kernels.compiled import judging, keys, rows, values
from regard.kernels.compiled.compiler import Array, entry, stamp, step
from regard.kernels.compiled.floats import exp2, peak, total
from regard.kernels.compiled.handed import WIDTH, reading
from regard.kernels.compiled.picking import SPARE_ROOM, chosen, ranked, reserved
from regard.kernels.compiled.pool import taken
from regard.kernels.compiled.rows import Cache


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
    keys: int  # in the cache
    most: int  # keys that a query may read one by one


class Asked(NamedTuple):
    query: Array  # float32 (L, R, G, d)
    allowed: Array  # uint8 (L or 1, R, all keys), or no keys: all are allowed
    most: Array  # int64 (L or 1, R)
    latest: Array  # int64 (L or 1, R): how many of them are kept for the latest keys


class Made(NamedTuple):
    """What is written into."""

    output: Array  # float32 (L, R, G, e)
    lse: Array  # float32 (L, R, G): log2 of the sum of weights
    picks: Array  # int32 (L, R, k): the keys read one by one, in order
    many: Array  # int64 (L, R): how many they are; -1: more than fit must be read
    best: Array  # int32 (L, R, x): which of them were read as they are
    again: Array  # int64 (L, R): how many those are


class Room(NamedTuple):
    """A worker's own. k: the most keys that a query reads one by one; x: of them as they are; t: behind the sketch."""

    weights: Array  # float32 (G, n)
    ranks: Array  # float32 (n)
    bases: Array  # float32 (G, b)
    factors: Array  # float32 (G, r + 2)
    open: Array  # int64 (b)
    totals: Array  # float32 (G)
    peaks: Array  # float32 (grain)
    places: Array  # int32 (n + 16)
    found: Array  # int32 (n + 16)
    scores: Array  # float32 (G, k)
    around: Array  # float32 (G, b): weights of what is not read, by blocks
    top: Array  # float32 (G): the score of a weight of 1; NaN: lost
    keys: Array  # float32 (x, d)
    values: Array  # float32 (x, e)
    late_keys: Array  # float32 (t, d)
    late_values: Array  # float32 (t, e)
    late: Array  # float32 (G, t): their scores


# The table that threads are handed (handed.py): numbers, the addresses of two counters, of the tasks taken and of
# those refused; then the arrays.
_KEYS = len(Terms._fields)
_VALUES = _KEYS + len(Cache._fields)
_TAKEN = _VALUES + len(Cache._fields)
_REFUSED = _TAKEN + 1
_ASKED = _REFUSED + 1
_STOCK = _ASKED + WIDTH * len(Asked._fields)
_MADE = _STOCK + WIDTH * len(Stock._fields)
_END = _MADE + WIDTH * len(Made._fields)
_floats2, _floats3, _floats4 = (reading(types.float32, axes) for axes in (2, 3, 4))
_places2, _bytes3 = reading(types.int64, 2), reading(types.uint8, 3)
_shorts3, _wholes3 = reading(types.int16, 3), reading(types.int32, 3)


@cache
def looking() -> Any:
    """The entry: each thread takes queries until there are none left, and writes into what is `Made`."""
    mark, size = stamp(), _END

    def run(given: Any) -> None:
        mark  # noqa: B018  see `loop`
        words = carray(given, (size,))
        terms, key, value = (
            Terms(words[0], words[1], words[2], words[3], words[4], words[5], words[6]),
            _cache(words, _KEYS),
            _cache(words, _VALUES),
        )
        asked, stock, made = _asked(words), _stock(words), _made(words)
        room = _room(asked, stock, terms, value.size)
        lanes, rows = asked.query.shape[:2]
        task = taken(words[_TAKEN])
        while task < lanes * rows:
            lane, row = task // rows, task % rows
            _picked(asked, stock, terms, room, made, lane, row)
            if made.many[lane, row] < 0:
                taken(words[_REFUSED])
            else:
                _read(terms, key, value, room, made, lane, row)
                _summed(asked, stock, terms, room, made, lane, row)
            task = taken(words[_TAKEN])

    return entry(run)


@step
def _cache(words: Array, at: int) -> Cache:
    return Cache(words[at], words[at + 1], words[at + 2], words[at + 3], words[at + 4])


@step
def _asked(words: Array) -> Asked:
    at = _ASKED
    return Asked(
        _floats4(words, at),
        _bytes3(words, at + WIDTH),
        _places2(words, at + 2 * WIDTH),
        _places2(words, at + 3 * WIDTH),
    )


@step
def _stock(words: Array) -> Stock:
    at = _STOCK
    return Stock(
        _bytes3(words, at),
        _bytes3(words, at + WIDTH),
        _bytes3(words, at + 2 * WIDTH),
        _shorts3(words, at + 3 * WIDTH),
        _floats3(words, at + 4 * WIDTH),
        _floats2(words, at + 5 * WIDTH),
        _floats2(words, at + 6 * WIDTH),
    )


@step
def _made(words: Array) -> Made:
    at = _MADE
    return Made(
        _floats4(words, at),
        _floats3(words, at + WIDTH),
        _wholes3(words, at + 2 * WIDTH),
        _places2(words, at + 3 * WIDTH),
        _wholes3(words, at + 4 * WIDTH),
        _places2(words, at + 5 * WIDTH),
    )


@step
def _room(asked: Asked, stock: Stock, terms: Terms, value_dim: int) -> Room:
    groups, dim = asked.query.shape[2:]
    length, blocks, late = terms.length, terms.length // terms.grain, terms.keys - terms.length
    again = min(terms.most, terms.exact)
    return Room(
        np.empty((groups, length), np.float32),
        np.empty(length, np.float32),
        np.empty((groups, blocks), np.float32),
        np.empty((groups, stock.turn.shape[2] + 2), np.float32),
        np.empty(blocks, np.int64),
        np.empty(groups, np.float32),
        np.empty(terms.grain, np.float32),
        np.empty(length + SPARE_ROOM, np.int32),
        np.empty(length + SPARE_ROOM, np.int32),
        np.empty((groups, terms.most), np.float32),
        np.empty((groups, blocks), np.float32),
        np.empty(groups, np.float32),
        np.empty((again, dim), np.float32),
        np.empty((again, value_dim), np.float32),
        np.empty((late, dim), np.float32),
        np.empty((late, value_dim), np.float32),
        np.empty((groups, late), np.float32),
    )


@step
def _picked(asked: Asked, stock: Stock, terms: Terms, room: Room, made: Made, lane: int, row: int) -> None:
    """The scores of what is read rounded, the weights of blocks' rests, and which keys to read as they are."""
    head, shared, query = lane % len(stock.turn), min(lane, len(asked.most) - 1), asked.query[lane, row]
    allowed = asked.allowed[min(lane, len(asked.allowed) - 1), row, : terms.length]
    most, latest = asked.most[shared, row], asked.latest[shared, row]
    judging.turned(query, stock.turn[head], room.factors)
    judging.opened(allowed, terms.grain, room.open)
    judging.based(stock.means[lane], query, room.bases)
    for one in range(len(query)):
        factors, bases, weights = room.factors[one], room.bases[one], room.weights[one]
        if judging.lost(bases, factors[-1], room.open):
            room.top[one] = np.float32(np.nan)
        else:
            room.top[one] = judging.judged(stock.codes[lane], factors, bases, allowed, terms.grain, room.peaks, weights)
        judging.weighed(weights, room.top[one])
    ranks = room.weights[0]  # written over where it may be: what is reserved is read, if no mask is in the way
    if len(query) > 1 or len(allowed) or most < terms.first:
        ranks = room.ranks
        ranked(room.weights, ranks)
    if reserved(ranks, allowed, room.open, terms.grain, terms.first, latest) > most:
        made.many[lane, row] = -1
        return
    many = chosen(ranks, most, room.places, room.found, made.picks[lane, row])
    picks, scores = made.picks[lane, row, :many], room.scores
    keys.left(room.weights, picks, room.open, terms.grain, room.around)
    if terms.bits != 16:
        key_step = stock.key_step[head]
        keys.scored(stock.keys[lane], query, key_step, room.bases, terms.bits, terms.grain, picks, scores)
    made.many[lane, row] = many
    made.again[lane, row] = keys.best(
        scores,
        picks,
        terms.exact,
        terms.first,
        room.ranks,
        room.weights[0],
        room.places,
        room.found,
        made.best[lane, row],
    )


@step
def _read(terms: Terms, key: Cache, value: Cache, room: Room, made: Made, lane: int, row: int) -> None:
    """What is read as it is: the best keys, those behind the sketch, and their values."""
    count, best = made.again[lane, row], room.found
    for place in range(count):
        best[place] = made.picks[lane, row, made.best[lane, row, place]]
    rows.copied(key, lane, best[:count], room.keys)
    rows.copied(value, lane, best[:count], room.values)
    rows.behind(key, lane, terms.length, room.late_keys)
    rows.behind(value, lane, terms.length, room.late_values)


@step
def _summed(asked: Asked, stock: Stock, terms: Terms, room: Room, made: Made, lane: int, row: int) -> None:
    """Scores and the weights of blocks become output (G, e) and lse (G)."""
    many, again = made.many[lane, row], made.again[lane, row]
    picks, best = made.picks[lane, row, :many], made.best[lane, row, :again]
    query, output = asked.query[lane, row], made.output[lane, row]
    allowed = asked.allowed[min(lane, len(asked.allowed) - 1), row, terms.length :]
    scores, around, late = room.scores, room.around, room.late
    for head in range(len(query)):
        shown, behind, top = scores[head, : len(picks)], late[head], room.top[head]
        values.reread(query[head], room.keys, best, shown)
        values.late(query[head], room.late_keys, allowed, behind)
        shift = peak(behind, peak(shown, top))
        values.shared(shown, shift)
        values.shared(behind, shift)
        values.scaled(around[head], exp2(top - shift))
        room.top[head], room.totals[head] = shift, total(shown) + total(around[head]) + total(behind)
    stored, means, value_step = stock.values[lane], stock.means[lane], stock.value_step[lane % len(stock.turn)]
    output[:] = np.float32(0)
    if terms.bits != 16:
        values.corrected(scores, best, picks, stored, means, room.values, value_step, terms.bits, terms.grain, output)
    for head in range(len(query)):
        values.averaged(scores[head], around[head], picks, means, terms.grain, output[head])
        values.behind(late[head], room.late_values, output[head])
    if terms.bits != 16:
        values.beyond(scores, picks, stored, value_step, terms.bits, output)
    else:
        values.residual(scores, picks, room.values, means, terms.grain, output)
    for head in range(len(query)):
        made.lse[lane, row, head] = values.finished(output[head], room.totals[head], room.top[head])
