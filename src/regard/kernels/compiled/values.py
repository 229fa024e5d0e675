"""Reading values: one softmax over the keys that were read, the keys behind the sketch, and the blocks' means.

Shapes as in judging.py; e numbers to a value, k room for picked keys, x of them read as they are, t keys behind the
sketch.
"""

from __future__ import annotations

import numpy as np

from regard.kernels.compiled import prefetch
from regard.kernels.compiled.compiler import Array, step
from regard.kernels.compiled.floats import LOWEST, TINY, exp2, total, widened
from regard.kernels.compiled.keys import MIDDLE_4, MIDDLE_8, decoded

_LOST = np.float32(np.nan)


@step
def reread(query: Array, rows: Array, again: Array, scores: Array) -> None:
    """Scores of keys as they are: query (d), rows (x, d); into scores (k), at the places `again` (x)."""
    for place in range(len(again)):
        found = np.float32(0)
        for x in range(len(query)):
            found += query[x] * rows[place, x]
        scores[again[place]] = found


@step
def late(query: Array, rows: Array, allowed: Array, scores: Array) -> None:
    """Scores of keys behind the sketch: query (d), rows (t, d), into scores (t); -inf where not allowed (t, or none:
    all are)."""
    for place in range(len(rows)):
        found = np.float32(0)
        for x in range(len(query)):
            found += query[x] * rows[place, x]
        if len(allowed) and not allowed[place]:
            found = np.float32(-np.inf)
        scores[place] = found


@step
def shared(scores: Array, shift: np.float32) -> None:
    """Scores become weights, 1 at the shift."""
    for place in range(len(scores)):
        scores[place] = exp2(scores[place] - shift)


@step
def scaled(around: Array, scale: np.float32) -> None:
    for block in range(len(around)):
        around[block] *= scale


@step
def averaged(inside: Array, around: Array, picks: Array, means: Array, grain: int, output: Array) -> None:
    """Onto output (e): the weights of blocks times their mean values, of one head. inside (at most k), around (b):
    weights of the picked keys, and of the rests of blocks. means (b, d + e).

    inside becomes what weighs the picked values beyond their block's mean: the rest stands on the mean of what was not
    read. around becomes what weighs the means.
    """
    many, start = len(picks), 0
    for block in range(len(around)):
        prefetch.wanted(means, block)
        end = start
        while end < many and picks[end] < (block + 1) * grain:
            end += 1
        less, base = around[block] / np.float32(max(1, grain - (end - start))), around[block]
        for i in range(start, end):
            base += inside[i]
            inside[i] -= less
        around[block], start = base, end
    _means(around, means, output)


@step
def _means(weights: Array, means: Array, output: Array) -> None:
    """Onto output (e): weights (b) times mean values. Four at a time, so that sums are read and written less often.
    There may be more means: room for blocks to come, of which nothing is known."""
    size, whole, skip = len(output), len(weights) // 4 * 4, means.shape[1] - len(output)
    for block in range(0, whole, 4):
        a, b, c, d = means[block, skip:], means[block + 1, skip:], means[block + 2, skip:], means[block + 3, skip:]
        p, q, r, s = weights[block], weights[block + 1], weights[block + 2], weights[block + 3]
        for x in range(size):
            output[x] += (p * widened(a[x]) + q * widened(b[x])) + (r * widened(c[x]) + s * widened(d[x]))
    for block in range(whole, len(weights)):
        for x in range(size):
            output[x] += weights[block] * widened(means[block, skip + x])


@step
def beyond(weights: Array, picks: Array, stored: Array, value_step: Array, bits: int, output: Array) -> None:
    """Onto output (G, e): weights (G, k) times what rounded values are beyond their block's mean. stored (n, width)."""
    (groups, size), added = output.shape, np.zeros_like(output)
    if groups == 1 and bits == 8:
        _onto(weights[0], picks, stored, added[0])
    elif groups == 1 and size == 2 * stored.shape[1]:
        _half_onto(weights[0], picks, stored, added[0])
    else:
        row = np.empty_like(value_step)
        for place in range(len(picks)):
            prefetch.wanted(stored, picks[min(place + prefetch.AHEAD, len(picks) - 1)])
            decoded(stored, picks[place], bits, row)
            for head in range(groups):
                for x in range(size):
                    added[head, x] += weights[head, place] * row[x]
    for head in range(groups):
        for x in range(size):
            output[head, x] += added[head, x] * value_step[x]


@step
def _onto(weights: Array, picks: Array, stored: Array, added: Array) -> None:
    """Four keys at a time, so that sums are read and written less often."""
    last, nothing = len(picks) - 1, np.float32(0)
    for place in range(0, len(picks), 4):
        for i in range(4):
            prefetch.wanted(stored, picks[min(place + prefetch.AHEAD + i, last)])
        one, two, three = min(place + 1, last), min(place + 2, last), min(place + 3, last)
        a, b, c, d = picks[place], picks[one], picks[two], picks[three]
        p, q = weights[place], weights[one] if one > place else nothing
        r, s = weights[two] if two > one else nothing, weights[three] if three > two else nothing
        for x in range(len(added)):
            first = p * np.float32(stored[a, x]) + q * np.float32(stored[b, x])
            added[x] += first + r * np.float32(stored[c, x]) + s * np.float32(stored[d, x])
    off = MIDDLE_8 * total(weights[: len(picks)])
    for x in range(len(added)):
        added[x] -= off


@step
def _half_onto(weights: Array, picks: Array, stored: Array, added: Array) -> None:
    """The same of numbers of 4 bits: the first half of a value in the upper bits, the second in the lower ones."""
    last, half, nothing = len(picks) - 1, stored.shape[1], np.float32(0)
    upper, lower = np.zeros(half, np.float32), np.zeros(half, np.float32)
    for place in range(0, len(picks), 4):
        for i in range(4):
            prefetch.wanted(stored, picks[min(place + prefetch.AHEAD + i, last)])
        one, two, three = min(place + 1, last), min(place + 2, last), min(place + 3, last)
        a, b, c, d = picks[place], picks[one], picks[two], picks[three]
        p, q = weights[place], weights[one] if one > place else nothing
        r, s = weights[two] if two > one else nothing, weights[three] if three > two else nothing
        for x in range(half):
            first = p * np.float32(stored[a, x] >> 4) + q * np.float32(stored[b, x] >> 4)
            other = p * np.float32(stored[a, x] & 15) + q * np.float32(stored[b, x] & 15)
            upper[x] += first + r * np.float32(stored[c, x] >> 4) + s * np.float32(stored[d, x] >> 4)
            lower[x] += other + r * np.float32(stored[c, x] & 15) + s * np.float32(stored[d, x] & 15)
    off = MIDDLE_4 * total(weights[: len(picks)])
    for x in range(half):
        added[x], added[half + x] = upper[x] - off, lower[x] - off


@step
def residual(weights: Array, picks: Array, exact: Array, means: Array, grain: int, output: Array) -> None:
    """As `beyond`, with values as they are: exact (x, e), of all picked keys; means (b, d + e)."""
    (groups, size), skip = output.shape, means.shape[1] - output.shape[1]
    row = np.empty_like(output[0])
    for place in range(len(picks)):
        block = picks[place] // grain
        for x in range(size):
            row[x] = exact[place, x] - widened(means[block, skip + x])
        for head in range(groups):
            for x in range(size):
                output[head, x] += weights[head, place] * row[x]


@step
def corrected(
    inside: Array,
    again: Array,
    picks: Array,
    stored: Array,
    means: Array,
    exact: Array,
    value_step: Array,
    bits: int,
    grain: int,
    output: Array,
) -> None:
    """What the best values are beyond their rounded selves, weighted, onto output (G, e). again (x): which of the
    picked keys; exact (x, e): their values as they are; the rest as above."""
    row, skip = np.empty_like(value_step), means.shape[1] - output.shape[1]
    for place in range(len(again)):
        prefetch.wanted(stored, picks[again[place]])
    for place in range(len(again)):
        key = picks[again[place]]
        decoded(stored, key, bits, row)
        for x in range(len(row)):
            row[x] = exact[place, x] - (widened(means[key // grain, skip + x]) + row[x] * value_step[x])
        for head in range(len(output)):
            for x in range(len(row)):
                output[head, x] += inside[head, again[place]] * row[x]


@step
def behind(weights: Array, rows: Array, output: Array) -> None:
    """Weights (t) times values as they are (t, e), onto output (e); what may not be seen is not looked at."""
    for place in range(len(rows)):
        if weights[place] > 0:
            for x in range(len(output)):
                output[x] += weights[place] * rows[place, x]


@step
def finished(output: Array, weight: np.float32, shift: np.float32) -> np.float32:
    """A sum becomes a mean, 0 where there was no weight, NaN where the shift is; gives log2 of the sum of weights."""
    if not shift >= LOWEST:
        output[:] = _LOST
        return _LOST
    for x in range(len(output)):
        output[x] /= max(weight, TINY)
    return np.float32(np.log2(weight) + shift) if weight > 0 else np.float32(-np.inf)
