"""Reading keys: the scores of those that were picked, rounded, and which of them are read again as they are.

Shapes as in judging.py; k is room for as many keys as may be picked.
"""

from __future__ import annotations

import numpy as np

from regard.kernels.compiled import prefetch
from regard.kernels.compiled.compiler import Array, step
from regard.kernels.compiled.floats import exp2, peak, total
from regard.kernels.compiled.picking import chosen

MIDDLE_4, MIDDLE_8 = np.float32(7.5), np.float32(127.5)  # what a number of 0 is stored as


@step
def decoded(rows: Array, key: int, bits: int, into: Array) -> None:
    """The numbers of a row, in units of their steps. rows (n, width), into (d)."""
    if bits == 8:
        for x in range(len(into)):
            into[x] = np.float32(rows[key, x]) - MIDDLE_8
        return
    half = rows.shape[1]
    for x in range(half):
        into[x] = np.float32(rows[key, x] >> 4) - MIDDLE_4
    for x in range(len(into) - half):
        into[half + x] = np.float32(rows[key, x] & 15) - MIDDLE_4


@step
def left(weights: Array, picks: Array, open_: Array, grain: int, around: Array) -> None:
    """weights (G, n) lose what was picked; their sums over blocks that may be seen whole, into around (G, b)."""
    for head in range(len(weights)):
        shown = weights[head]
        for place in range(len(picks)):
            shown[picks[place]] = np.float32(0)
        for block in range(len(open_)):
            some, rest = shown[block * grain : block * grain + grain], np.float32(0)
            for key in range(grain):
                rest += some[key]
            around[head, block] = rest if open_[block] == grain else np.float32(0)


@step
def scored(
    rows: Array, query: Array, key_step: Array, bases: Array, bits: int, grain: int, picks: Array, scores: Array
) -> None:
    """rows (n, width), query (G, d), key_step (d), bases (G, b), picks (at most k) in order; into scores (G, k)."""
    (groups, dim), stepped, row = query.shape, query * key_step, np.empty_like(key_step)
    if groups == 1 and bits == 8:
        _products(stepped[0], rows, picks, scores[0])
    elif groups == 1 and dim == 2 * rows.shape[1]:
        _half_products(stepped[0], rows, picks, scores[0])
    else:
        for place in range(len(picks)):
            prefetch.wanted(rows, picks[min(place + prefetch.AHEAD, len(picks) - 1)])
            decoded(rows, picks[place], bits, row)
            for head in range(groups):
                found = np.float32(0)
                for x in range(dim):
                    found += stepped[head, x] * row[x]
                scores[head, place] = found
    for head in range(groups):
        block = 0
        for place in range(len(picks)):
            while picks[place] >= (block + 1) * grain:
                block += 1
            scores[head, place] += bases[head, block]


@step
def _products(stepped: Array, rows: Array, picks: Array, scores: Array) -> None:
    """Four keys at a time, as sums that do not wait for each other. The last keys may be read more than once."""
    last, off = len(picks) - 1, MIDDLE_8 * total(stepped)
    for place in range(0, len(picks), 4):
        for i in range(4):
            prefetch.wanted(rows, picks[min(place + prefetch.AHEAD + i, last)])
        one, two, three = min(place + 1, last), min(place + 2, last), min(place + 3, last)
        a, b, c, d = picks[place], picks[one], picks[two], picks[three]
        p, q, r, s = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        for x in range(len(stepped)):
            p += stepped[x] * np.float32(rows[a, x])
            q += stepped[x] * np.float32(rows[b, x])
            r += stepped[x] * np.float32(rows[c, x])
            s += stepped[x] * np.float32(rows[d, x])
        scores[place], scores[one], scores[two], scores[three] = p - off, q - off, r - off, s - off


@step
def _half_products(stepped: Array, rows: Array, picks: Array, scores: Array) -> None:
    """The same of numbers of 4 bits: the first half of a key in the upper bits, the second in the lower ones."""
    last, half, off = len(picks) - 1, rows.shape[1], MIDDLE_4 * total(stepped)
    upper, lower = stepped[:half], stepped[half:]
    for place in range(0, len(picks), 4):
        for i in range(4):
            prefetch.wanted(rows, picks[min(place + prefetch.AHEAD + i, last)])
        one, two, three = min(place + 1, last), min(place + 2, last), min(place + 3, last)
        a, b, c, d = picks[place], picks[one], picks[two], picks[three]
        p, q, r, s = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        for x in range(half):
            p += upper[x] * np.float32(rows[a, x] >> 4) + lower[x] * np.float32(rows[a, x] & 15)
            q += upper[x] * np.float32(rows[b, x] >> 4) + lower[x] * np.float32(rows[b, x] & 15)
            r += upper[x] * np.float32(rows[c, x] >> 4) + lower[x] * np.float32(rows[c, x] & 15)
            s += upper[x] * np.float32(rows[d, x] >> 4) + lower[x] * np.float32(rows[d, x] & 15)
        scores[place], scores[one], scores[two], scores[three] = p - off, q - off, r - off, s - off


@step
def best(
    scores: Array,
    picks: Array,
    wanted: int,
    first: int,
    weights: Array,
    shares: Array,
    places: Array,
    found: Array,
    into: Array,
) -> int:
    """Which of the picked keys are read again as they are: the first keys, and those that hold most of what was read,
    over the heads. scores (G, k), picks (at most k); into (at least `wanted`), in order; how many they are.

    weights, shares, places, found: room, as much as `chosen` needs for k.
    """
    count = len(picks)
    if wanted >= count:
        for place in range(count):
            into[place] = place
        return count
    weights, shares = weights[:count], shares[:count]
    shares[:] = np.float32(0)
    for head in range(len(scores)):
        shown = scores[head, :count]
        top = peak(shown, shown[0])
        if not np.isfinite(top):
            continue  # a lost head has no say
        weights[:] = shown
        for place in range(count):  # in place: then it is made of vectors
            weights[place] = exp2(weights[place] - top)
        scale = np.float32(1) / total(weights)
        for place in range(count):
            shares[place] += weights[place] * scale
    for place in range(count):
        if picks[place] < first:
            shares[place] = np.float32(np.inf)
    return chosen(shares, wanted, places, found, into)
