"""All lanes, each in splits of the keys, taken by whichever thread is free; then the splits are put together.

Shapes: L lanes (batch x key heads), S splits, R = groups x queries rows, T keys that some query may see.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numba
import numpy as np
from numba import carray, types
from numba.np.unsafe.ndarray import to_fixed_tuple

from regard.kernels.compiled import attending
from regard.kernels.compiled.compiler import Array, entry, stamp, step
from regard.kernels.compiled.floats import HUGE, LOWEST, exp2
from regard.kernels.compiled.pool import pointed, taken
from regard.kernels.compiled.vectors import LANES

_LN2, _NOTHING = np.float32(math.log(2)), np.float32(0)


class Words(NamedTuple):
    """What is called for, as whole numbers. The first ten are addresses, of what `Call` says."""

    counter: int  # of int64 (2): tasks taken; and 1 where all results are finite
    query: int
    key: int
    value: int
    runs: int
    allowed: int
    slopes: int
    found: int
    output: int
    lse: int
    lanes: int
    kv_heads: int
    groups: int
    queries: int
    dim: int
    value_dim: int
    keys: int  # T
    key_batch: int  # strides, in numbers
    key_head: int
    key_stride: int
    value_batch: int
    value_head: int
    value_stride: int
    key_numbers: int  # from the first to the last that is stored
    value_numbers: int
    pieces: int
    mask_items: int  # how many items and heads the mask tells apart
    mask_heads: int
    mask_keys: int
    biases: int
    start: int  # the first query's position
    cap: int  # the bits of a float32
    splits: int
    block: int  # keys at a time


class Call(NamedTuple):
    words: Words
    query: Array  # float32 (L, R, d), with the score's scale in it
    key: Array  # numbers one after the other
    value: Array
    runs: Array  # int64 (pieces, 3): first key, end, and column of `allowed`, or -1 where all may be seen
    allowed: Array  # uint8 (items * heads, queries, columns)
    slopes: Array  # float32 (heads or 0)
    contexts: Array  # float32 (L, S, R, e)
    totals: Array  # float32 (L, S, R)
    tops: Array  # float32 (L, S, R)
    output: Array  # float32 (L, R, e)
    lse: Array  # float32 (L, R)


class Room(NamedTuple):
    """A thread's own."""

    scores: Array  # float32 (R, block)
    peaks: Array  # float32 (16)


def _plain_fixed(given: Array, count: int) -> tuple[int, ...]:
    return tuple(int(each) for each in given)


_FIELDS = len(Words._fields)
_fixed = _plain_fixed if numba.config.DISABLE_JIT else to_fixed_tuple
_numbers, _places, _bytes = pointed(types.float32), pointed(types.int64), pointed(types.uint8)
_brains, _halves = pointed(types.int16), pointed(types.uint16)  # the bits of half types


@step
def _words(given: Array) -> Words:
    return Words(*_fixed(given, _FIELDS))


@step
def _call(words: Words, key: Array, value: Array) -> Call:
    rows = words.groups * words.queries
    found = words.lanes * words.splits * rows
    size = words.value_dim
    return Call(
        words,
        carray(_numbers(words.query), (words.lanes, rows, words.dim)),
        key,
        value,
        carray(_places(words.runs), (words.pieces, 3)),
        carray(_bytes(words.allowed), (words.mask_items * words.mask_heads, words.queries, words.mask_keys)),
        carray(_numbers(words.slopes), (words.biases,)),
        carray(_numbers(words.found), (words.lanes, words.splits, rows, size)),
        carray(_numbers(words.found + 4 * found * size), (words.lanes, words.splits, rows)),
        carray(_numbers(words.found + 4 * found * (size + 1)), (words.lanes, words.splits, rows)),
        carray(_numbers(words.output), (words.lanes, rows, size)),
        carray(_numbers(words.lse), (words.lanes, rows)),
    )


@cache
def working(kind: str) -> Any:
    """The entry that takes tasks, a split of a lane each, until there are none left. What is compiled is kept by what a
    function closes over, which must be the same in every process: numbers and text, no compiled function."""
    mark, fields = stamp(), _FIELDS

    def float32(given: Any) -> None:
        mark  # noqa: B018  see `loop`
        words = _words(carray(given, (fields,)))
        _worked(
            words,
            carray(_numbers(words.key), (words.key_numbers,)),
            carray(_numbers(words.value), (words.value_numbers,)),
        )

    def bfloat16(given: Any) -> None:
        mark  # noqa: B018
        words = _words(carray(given, (fields,)))
        _worked(
            words,
            carray(_brains(words.key), (words.key_numbers,)),
            carray(_brains(words.value), (words.value_numbers,)),
        )

    def float16(given: Any) -> None:
        mark  # noqa: B018
        words = _words(carray(given, (fields,)))
        _worked(
            words,
            carray(_halves(words.key), (words.key_numbers,)),
            carray(_halves(words.value), (words.value_numbers,)),
        )

    return entry({"float32": float32, "bfloat16": bfloat16, "float16": float16}[kind])


@step
def _worked(words: Words, key: Array, value: Array) -> None:
    call, rows = _call(words, key, value), words.groups * words.queries
    room = Room(np.empty((rows, words.block), np.float32), np.empty(LANES, np.float32))
    task = taken(words.counter)
    while task < words.lanes * words.splits:
        _attended(call, room, task // words.splits, task % words.splits)
        task = taken(words.counter)


@cache
def joining() -> Any:
    """The entry that puts splits together, after all are done."""
    mark, fields = stamp(), _FIELDS

    def run(given: Any) -> None:
        mark  # noqa: B018  see `loop`
        words = _words(carray(given, (fields,)))
        nothing = carray(_numbers(words.query), (0,))  # keys and values are not looked at
        call = _call(words, nothing, nothing)
        lost = False
        for lane in range(words.lanes):
            for row in range(words.groups * words.queries):
                lost |= _joined(call, lane, row)
        counts = carray(_places(words.counter), (2,))
        counts[1] = 0 if lost else 1

    return entry(run)


@step
def _attended(call: Call, room: Room, lane: int, split: int) -> None:
    words, tops, totals = call.words, call.tops[lane, split], call.totals[lane, split]
    output = call.contexts[lane, split]
    tops[:], totals[:] = LOWEST, _NOTHING
    output[:] = _NOTHING
    first, last = words.keys * split // words.splits, words.keys * (split + 1) // words.splits
    for piece in range(words.pieces):
        begin, end, column = call.runs[piece, 0], call.runs[piece, 1], call.runs[piece, 2]
        low, high = max(first, 0), min(last, end - begin)
        for at in range(low, high, words.block):
            start, stop = begin + at, begin + min(high, at + words.block)
            if column >= 0:
                start, stop = _seen(call, lane, start, stop, column - begin)
            if start < stop:
                _block(call, room, lane, start, stop, column - begin if column >= 0 else -1, column >= 0)
                attending.softened(room.scores, stop - start, tops, totals, output, room.peaks)
                place = lane // words.kv_heads * words.value_batch + lane % words.kv_heads * words.value_head
                attending.summed(
                    room.scores,
                    call.value,
                    place + start * words.value_stride,
                    words.value_stride,
                    stop - start,
                    output,
                )
        first, last = first - (end - begin), last - (end - begin)


@step
def _place(batch: int, head: int, lane: int, words: Words) -> int:
    """The first number of a lane, from the strides."""
    return lane // words.kv_heads * batch + lane % words.kv_heads * head


@step
def _seen(call: Call, lane: int, start: int, stop: int, shift: int) -> tuple[int, int]:
    """The keys from the first to the last that some row may see; key + shift is a column of the mask."""
    while start < stop and not _open(call, lane, start + shift):
        start += 1
    while start < stop and not _open(call, lane, stop - 1 + shift):
        stop -= 1
    return start, stop


@step
def _open(call: Call, lane: int, column: int) -> bool:
    words, found = call.words, 0
    first, many = _masks(words, lane)
    for mask in range(first, first + many):
        for query in range(words.queries):
            found |= call.allowed[mask, query, column]
    return found != 0


@step
def _masks(words: Words, lane: int) -> tuple[int, int]:
    """The first of the masks of a lane's heads, and how many they are."""
    item = lane // words.kv_heads if words.mask_items > 1 else 0
    if words.mask_heads == 1:
        return item, 1
    return item * words.mask_heads + lane % words.kv_heads * words.groups, words.groups


@step
def _block(call: Call, room: Room, lane: int, start: int, stop: int, shift: int, mixed: bool) -> None:
    """Scores of the keys from `start` to `stop`, with curve, biases and mask, into the room."""
    words, head = call.words, lane % call.words.kv_heads
    stride, place = words.key_stride, _place(words.key_batch, words.key_head, lane, words)
    attending.scored(call.query[lane], call.key, place + start * stride, stride, stop - start, room.scores)
    cap = np.int32(words.cap).view(np.float32)
    first, many = _masks(words, lane)
    for row in range(words.groups * words.queries):
        group, query, scores = row // words.queries, row % words.queries, room.scores[row, : stop - start]
        if cap > 0:
            attending.capped(scores, cap)
        if words.biases:
            attending.sloped(scores, call.slopes[head * words.groups + group], start - words.start - query)
        if mixed:
            mask = first + (group if many > 1 else 0)
            attending.closed(scores, call.allowed[mask, query, start + shift : stop + shift])


@step
def _joined(call: Call, lane: int, row: int) -> bool:
    """Whether something is not finite."""
    tops, totals, output = call.tops[lane, :, row], call.totals[lane, :, row], call.output[lane, row]
    top, weight = LOWEST, _NOTHING
    for split in range(len(tops)):
        top = max(top, tops[split])
    output[:] = _NOTHING
    for split in range(len(tops)):
        share = exp2(tops[split] - top)
        weight += share * totals[split]
        numbers = call.contexts[lane, split, row]
        for x in range(len(output)):
            output[x] += share * numbers[x]
    if not weight <= HUGE:
        return True
    call.lse[lane, row] = (np.float32(np.log2(weight)) + top) * _LN2 if weight > 0 else np.float32(-np.inf)
    lost, scale = False, np.float32(1) / weight if weight > 0 else _NOTHING
    for x in range(len(output)):
        output[x] *= scale
        lost |= not abs(output[x]) <= HUGE
    return lost
