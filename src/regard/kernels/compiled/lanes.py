"""All lanes and rows, in threads: what is picked and read rounded, then, with the very best as they are, the sums.

The two halves are compiled apart, because what is read as it is comes in the cache's own dtype and layout, which torch
knows how to read. Shapes: L lanes, R rows (queries), otherwise as in the files of the steps.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import carray, types

from regard.kernels.compiled import judging, keys, values
from regard.kernels.compiled.compiler import Array, entry, stamp, step
from regard.kernels.compiled.floats import exp2, peak, total
from regard.kernels.compiled.handed import WIDTH, reading
from regard.kernels.compiled.picking import SPARE_ROOM, chosen, ranked, reserved
from regard.kernels.compiled.pool import taken


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
    places: Array  # int32 (n + 16)
    found: Array  # int32 (n + 16)


# The table that threads are handed (handed.py): numbers, the address of the tasks' counter last; then the arrays.
_NUMBERS = len(Terms._fields) + 1
_ASKED, _STOCK = _NUMBERS, _NUMBERS + WIDTH * len(Asked._fields)
_FOUND = _STOCK + WIDTH * len(Stock._fields)
_PLAIN = _FOUND + WIDTH * len(Found._fields)
_OUTPUT = _PLAIN + WIDTH * len(Plain._fields)
_floats2, _floats3, _floats4 = (reading(types.float32, axes) for axes in (2, 3, 4))
_places2, _bytes3 = reading(types.int64, 2), reading(types.uint8, 3)
_shorts3, _wholes3 = reading(types.int16, 3), reading(types.int32, 3)


@cache
def picking() -> Any:
    """The entry of the first half: `Found` is written into. Each thread takes queries until there are none left."""
    mark, size = stamp(), _PLAIN

    def run(given: Any) -> None:
        mark  # noqa: B018  see `loop`
        words = carray(given, (size,))
        asked, stock, terms, found = _given(words)
        room = _room(asked, stock, terms)
        lanes, rows = asked.query.shape[:2]
        task = taken(words[_NUMBERS - 1])
        while task < lanes * rows:
            _picked(asked, stock, terms, found, room, task // rows, task % rows)
            task = taken(words[_NUMBERS - 1])

    return entry(run)


@cache
def summing() -> Any:
    """The entry of the second half: output (L, R, G, e) and log2 of the sum of weights (L, R, G), which follow what is
    read as it is, are written into; so are the scores of `Found`, which become weights."""
    mark, size = stamp(), _OUTPUT + 2 * WIDTH

    def run(given: Any) -> None:
        mark  # noqa: B018  see `loop`
        words = carray(given, (size,))
        asked, stock, terms, found = _given(words)
        plain = _as_it_is(words)
        output, lse = _floats4(words, _OUTPUT), _floats3(words, _OUTPUT + WIDTH)
        lanes, rows = asked.query.shape[:2]
        task = taken(words[_NUMBERS - 1])
        while task < lanes * rows:
            lane, row = task // rows, task % rows
            _summed(asked, stock, terms, found, plain, output[lane, row], lse[lane, row], lane, row)
            task = taken(words[_NUMBERS - 1])

    return entry(run)


@step
def _given(words: Array) -> tuple[Asked, Stock, Terms, Found]:
    at, held, out = _ASKED, _STOCK, _FOUND
    asked = Asked(
        _floats4(words, at),
        _bytes3(words, at + WIDTH),
        _places2(words, at + 2 * WIDTH),
        _places2(words, at + 3 * WIDTH),
    )
    stock = Stock(
        _bytes3(words, held),
        _bytes3(words, held + WIDTH),
        _bytes3(words, held + 2 * WIDTH),
        _shorts3(words, held + 3 * WIDTH),
        _floats3(words, held + 4 * WIDTH),
        _floats2(words, held + 5 * WIDTH),
        _floats2(words, held + 6 * WIDTH),
    )
    found = Found(
        _wholes3(words, out),
        _places2(words, out + WIDTH),
        _floats4(words, out + 2 * WIDTH),
        _floats4(words, out + 3 * WIDTH),
        _floats3(words, out + 4 * WIDTH),
        _wholes3(words, out + 5 * WIDTH),
        _places2(words, out + 6 * WIDTH),
    )
    return asked, stock, Terms(words[0], words[1], words[2], words[3], words[4]), found


@step
def _as_it_is(words: Array) -> Plain:
    return Plain(
        _floats4(words, _PLAIN),
        _floats4(words, _PLAIN + WIDTH),
        _floats3(words, _PLAIN + 2 * WIDTH),
        _floats3(words, _PLAIN + 3 * WIDTH),
    )


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
        np.empty(terms.length + SPARE_ROOM, np.int32),
        np.empty(terms.length + SPARE_ROOM, np.int32),
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
        ranked(room.weights, room.totals, ranks)
    if reserved(ranks, allowed, room.open, terms.grain, terms.first, latest) > most:
        found.many[lane, row] = -1
        return
    many = chosen(ranks, most, room.places, room.found, found.picks[lane, row])
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
