"""Attending to one block of keys: scores, weights under a running maximum, sums of values.

Shapes: R rows (the queries of the heads that share a key head), d numbers to a key, e to a value, c keys in a block at
most. Keys and values are numbers one after the other, of which each key has d in a run, `stride` after the last key's.
Scores are in units of log 2.
"""

from __future__ import annotations

import math

import numpy as np

from regard.kernels.compiled import tiles
from regard.kernels.compiled.compiler import Array, step
from regard.kernels.compiled.floats import exp2, powered, wide
from regard.kernels.compiled.tiles import CHUNKS
from regard.kernels.compiled.vectors import LANES

_NOTHING, _ONE, _TWO = np.float32(0), np.float32(1), np.float32(2)
_CLOSED = np.float32(-np.inf)
_LOG2E = np.float32(math.log2(math.e))
_PAIR = CHUNKS * LANES


@step
def scored(query: Array, keys: Array, start: int, stride: int, count: int, scores: Array) -> None:
    """query (R, d) times `count` keys, into scores (R, c)."""
    (rows, dim), row = query.shape, 0
    whole = dim // LANES * LANES
    while rows - row >= 4 and count >= 4:
        for key in range(0, count, 4):
            place = min(key, count - 4)  # the last keys may be multiplied twice
            tiles.scored_4(query, row, keys, start + place * stride, stride, scores, place)
        _rest(query[row : row + 4], keys, start, stride, count, whole, scores[row : row + 4])
        row += 4
    while rows - row >= 2 and count >= 8:
        for key in range(0, count, 8):
            place = min(key, count - 8)
            tiles.scored_2(query, row, keys, start + place * stride, stride, scores, place)
        _rest(query[row : row + 2], keys, start, stride, count, whole, scores[row : row + 2])
        row += 2
    while row < rows:
        _products(query[row], keys, start, stride, count, scores[row])
        row += 1


@step
def _rest(query: Array, keys: Array, start: int, stride: int, count: int, first: int, scores: Array) -> None:
    """What the numbers from `first` on add to scores."""
    rows, dim = query.shape
    if first < dim:
        for key in range(count):
            numbers = keys[start + key * stride : start + key * stride + dim]
            for row in range(rows):
                found = _NOTHING
                for x in range(first, dim):
                    found += query[row, x] * wide(numbers[x])
                scores[row, key] += found


@step
def _products(query: Array, keys: Array, start: int, stride: int, count: int, scores: Array) -> None:
    """One row. Four keys at a time, as sums that do not wait for each other; the last may be read more than once."""
    dim, last = len(query), count - 1
    for key in range(0, count, 4):
        one, two, three = min(key + 1, last), min(key + 2, last), min(key + 3, last)
        a = keys[start + key * stride : start + key * stride + dim]
        b = keys[start + one * stride : start + one * stride + dim]
        c = keys[start + two * stride : start + two * stride + dim]
        d = keys[start + three * stride : start + three * stride + dim]
        p, q, r, s = _NOTHING, _NOTHING, _NOTHING, _NOTHING
        for x in range(dim):
            p += query[x] * wide(a[x])
            q += query[x] * wide(b[x])
            r += query[x] * wide(c[x])
            s += query[x] * wide(d[x])
        scores[key], scores[one], scores[two], scores[three] = p, q, r, s


@step
def capped(scores: Array, cap: np.float32) -> None:
    """cap * tanh(score / cap), in units of log 2."""
    for key in range(len(scores)):
        twice = -_TWO * _LOG2E * abs(scores[key]) / cap
        small = powered(twice)
        made = cap * _LOG2E * (_ONE - small) / (_ONE + small)
        scores[key] = made if scores[key] > _NOTHING else -made


@step
def sloped(scores: Array, slope: np.float32, distance: int) -> None:
    """Less by `slope` for each key between a key and the query; `distance` is from the query to the first key."""
    for key in range(len(scores)):
        scores[key] -= slope * np.float32(abs(distance + key))


@step
def closed(scores: Array, allowed: Array) -> None:
    """allowed (c): bytes, 0 where not."""
    for key in range(len(scores)):
        scores[key] = scores[key] if allowed[key] else _CLOSED


@step
def highest(scores: Array, top: np.float32, peaks: Array) -> np.float32:
    """The largest of the scores and `top`; NaN is passed over. peaks: room for 16."""
    whole = len(scores) // LANES * LANES
    peaks[:] = top
    for start in range(0, whole, LANES):
        shown = scores[start : start + LANES]
        for x in range(LANES):
            peaks[x] = shown[x] if shown[x] > peaks[x] else peaks[x]
    for key in range(whole, len(scores)):
        top = scores[key] if scores[key] > top else top
    for x in range(LANES):
        top = peaks[x] if peaks[x] > top else top
    return top


@step
def weighed(scores: Array, top: np.float32) -> np.float32:
    """Scores become weights, 2^(score - top); gives their sum, NaN where a score is NaN or infinite."""
    found = _NOTHING
    for key in range(len(scores)):
        weight = powered(scores[key] - top)
        scores[key] = weight
        found += weight
    return found


@step
def summed(weights: Array, values: Array, start: int, stride: int, count: int, output: Array) -> None:
    """Onto output (R, e): weights (R, c) times `count` values."""
    (rows, size), row = output.shape, 0
    pairs, whole = size // _PAIR * _PAIR, size // LANES * LANES
    while rows - row >= 4:
        for column in range(0, pairs, _PAIR):
            tiles.summed_4(weights, row, values, start, stride, count, output, column)
        if pairs < whole:
            tiles.narrow_4(weights, row, values, start, stride, count, output, pairs)
        _behind(weights[row : row + 4], values, start, stride, count, whole, output[row : row + 4])
        row += 4
    while rows - row >= 2:
        for column in range(0, pairs, _PAIR):
            tiles.summed_2(weights, row, values, start, stride, count, output, column)
        if pairs < whole:
            tiles.narrow_2(weights, row, values, start, stride, count, output, pairs)
        _behind(weights[row : row + 2], values, start, stride, count, whole, output[row : row + 2])
        row += 2
    if row < rows:
        _onto(weights[row], values, start, stride, count, output[row])


@step
def _behind(weights: Array, values: Array, start: int, stride: int, count: int, first: int, output: Array) -> None:
    """The numbers from `first` on."""
    rows, size = output.shape
    if first < size:
        for key in range(count):
            numbers = values[start + key * stride : start + key * stride + size]
            for row in range(rows):
                for x in range(first, size):
                    output[row, x] += weights[row, key] * wide(numbers[x])


@step
def _onto(weights: Array, values: Array, start: int, stride: int, count: int, output: Array) -> None:
    """One row. Four keys at a time, so that sums are read and written less often."""
    size, whole = len(output), count // 4 * 4
    for key in range(0, whole, 4):
        place = start + key * stride
        a, b = values[place : place + size], values[place + stride : place + stride + size]
        c = values[place + 2 * stride : place + 2 * stride + size]
        d = values[place + 3 * stride : place + 3 * stride + size]
        p, q, r, s = weights[key], weights[key + 1], weights[key + 2], weights[key + 3]
        for x in range(size):
            output[x] += (p * wide(a[x]) + q * wide(b[x])) + (r * wide(c[x]) + s * wide(d[x]))
    for key in range(whole, count):
        a, p = values[start + key * stride : start + key * stride + size], weights[key]
        for x in range(size):
            output[x] += p * wide(a[x])


@step
def softened(scores: Array, count: int, tops: Array, totals: Array, output: Array, peaks: Array) -> None:
    """The first `count` scores of (R, c) become weights under the running maxima `tops` (R); `totals` (R) and `output`
    (R, e) follow. A row with a score that is not finite is lost: its total is NaN."""
    for row in range(len(scores)):
        before, shown = tops[row], scores[row, :count]  # contiguous, as `scores[:, :count]` were not
        top = highest(shown, before, peaks)
        if top > before:
            shrink = exp2(before - top)
            totals[row] *= shrink
            for x in range(output.shape[1]):
                output[row, x] *= shrink
            tops[row] = top
        totals[row] += weighed(shown, top)
