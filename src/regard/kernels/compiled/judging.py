"""Judging: what the sketch says of every key, for the heads that share it.

Shapes: G query heads to the lane's key head, d numbers to a key, r to a sketched key, n keys in the sketch, b blocks of
`grain` keys. Scores are in units of log 2.
"""

from __future__ import annotations

import numpy as np

from regard.kernels.compiled.compiler import Array, step
from regard.kernels.compiled.floats import HUGE, LOWEST, exp2, peak, widened
from regard.kernels.sketch_basis import CODE

RUN = 512  # keys that are judged at a time, about: their numbers stay in the processor's first cache
_MIDDLE = np.float32(2 ** (CODE - 1) - 0.5)  # what a number of 0 is stored as
_RANGE = np.float32(2**CODE)
_LOW = np.uint8(2**CODE - 1)


@step
def turned(query: Array, turn: Array, into: Array) -> None:
    """The factors of a key's stored bytes. query (G, d), turn (d, r); into (G, r + 2): r / 2 factors of whole bytes,
    r / 2 of their lower halves, what is taken off every score, and how far a score can be from its block's."""
    (groups, dim), rank = query.shape, turn.shape[1]
    half = rank // 2
    for head in range(groups):
        total, most = np.float32(0), np.float32(0)
        for direction in range(rank):
            asked = np.float32(0)
            for x in range(dim):
                asked += query[head, x] * turn[x, direction]
            into[head, direction] = asked
            total += asked
            most += abs(asked)
        for direction in range(half):  # a byte is 16 * its upper number + its lower one
            into[head, direction] /= _RANGE
            into[head, half + direction] -= into[head, direction]
        into[head, rank], into[head, rank + 1] = _MIDDLE * total, _RANGE * most


@step
def opened(allowed: Array, grain: int, into: Array) -> None:
    """How many keys of each block may be seen, into (b). allowed (keys or 0): none where all may be."""
    for block in range(len(into)):
        into[block] = grain
        if len(allowed):
            seen = 0
            for key in range(block * grain, block * grain + grain):
                seen += allowed[key]
            into[block] = seen


@step
def based(means: Array, query: Array, into: Array) -> None:
    """The scores of mean keys: means (b, d + e), query (G, d), into (G, b)."""
    (groups, dim), mean = query.shape, np.empty_like(query[0])
    for block in range(into.shape[1]):
        for x in range(dim):
            mean[x] = widened(means[block, x])
        for head in range(groups):
            found = np.float32(0)
            for x in range(dim):
                found += query[head, x] * mean[x]
            into[head, block] = found


@step
def lost(bases: Array, far: np.float32, open_: Array) -> bool:
    """Whether a score may not be finite: bases (b), and how far scores can be from them. Unseen ones do not matter."""
    found = False
    for block in range(len(bases)):
        found |= open_[block] > 0 and not abs(bases[block]) + far < HUGE
    return found


@step
def judged(
    codes: Array, factors: Array, bases: Array, allowed: Array, grain: int, peaks: Array, scores: Array
) -> np.float32:
    """One head's scores, into scores (n), -inf where not allowed; gives the largest, or the lowest number. factors
    (r + 2), bases (b), peaks: room for a block."""
    count, half, span = len(scores), len(codes), max(1, RUN // grain) * grain
    peaks[:] = LOWEST
    for start in range(0, count, span):
        shown = scores[start : min(start + span, count)]
        for number in range(half):
            some = codes[number, start : start + len(shown)]
            if number == 0:
                _put(shown, some, factors[number], factors[half + number])
            else:
                _added(shown, some, factors[number], factors[half + number])
        if len(allowed):
            _closed(shown, allowed[start : start + len(shown)])
        _leveled(shown, bases, start // grain, grain, factors[2 * half], peaks)
    return peak(peaks, LOWEST)


@step
def _put(scores: Array, codes: Array, whole: np.float32, lower: np.float32) -> None:
    for key in range(len(scores)):
        scores[key] = whole * np.float32(codes[key]) + lower * np.float32(codes[key] & _LOW)


@step
def _added(scores: Array, codes: Array, whole: np.float32, lower: np.float32) -> None:
    for key in range(len(scores)):
        scores[key] += whole * np.float32(codes[key]) + lower * np.float32(codes[key] & _LOW)


@step
def _closed(scores: Array, allowed: Array) -> None:
    for key in range(len(scores)):
        scores[key] = scores[key] if allowed[key] else np.float32(-np.inf)


@step
def _leveled(scores: Array, bases: Array, first: int, grain: int, off: np.float32, peaks: Array) -> None:
    """Blocks are raised to their levels, and `peaks` to the scores."""
    for block in range(len(scores) // grain):
        shown, level = scores[block * grain : block * grain + grain], bases[first + block] - off
        for key in range(grain):
            score = shown[key] + level
            shown[key] = score
            peaks[key] = score if score > peaks[key] else peaks[key]


@step
def weighed(scores: Array, top: np.float32) -> None:
    """Scores become weights, 1 at the top. Where the top is lost, nothing weighs anything."""
    if np.isnan(top):
        scores[:] = np.float32(0)
        return
    for key in range(len(scores)):
        scores[key] = exp2(scores[key] - top)
