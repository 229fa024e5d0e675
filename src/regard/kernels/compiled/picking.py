"""Picking: which keys a query reads one by one, as kernels/focus_pick.py does.

Nothing is sorted: the threshold is found in the bits of the ranks (those of positive floats are ordered as the numbers
are), a digit at a time, and keys come out in the order in which they lie in memory. Shapes as in judging.py.
"""

from __future__ import annotations

import numpy as np

from regard.kernels.compiled.compiler import Array, step
from regard.kernels.compiled.floats import total
from regard.kernels.compiled.keeping import kept, still
from regard.kernels.compiled.vectors import LANES
from regard.kernels.focus_pick import FIRST, FORCED, LATEST, NEXT, SAMPLE, SPARE

_FORCED, _FIRST, _LATEST = np.float32(FORCED), np.float32(FIRST), np.float32(LATEST)
_NEXT, _CLOSED = np.float32(NEXT), np.float32(-1)
SPARE_ROOM = LANES
LONG = 1 << 12  # ranks from which a threshold is guessed first
_HIGH, _MIDDLE, _DIGIT = 20, 10, 1024  # a rank's 31 bits: a digit of 11, one of 10, one of 10


@step
def ranked(weights: Array, into: Array) -> None:
    """weights (G, n): into (n) the sum of the heads' shares, or a single head's weights."""
    groups = len(weights)
    for head in range(groups):
        scale = np.float32(1)
        if groups > 1:
            whole = total(weights[head])
            scale = scale / whole if whole > 0 else np.float32(0)
        shown = weights[head]
        for key in range(len(into)):
            into[key] = shown[key] * scale if head == 0 else into[key] + shown[key] * scale


@step
def reserved(ranks: Array, allowed: Array, open_: Array, grain: int, first: int, latest: int) -> int:
    """Raise the ranks of what is read in any case: keys of blocks that may be seen in part before the `first` ones, and
    those before the `latest`; keys that may not be seen fall below 0. Gives how many lie in blocks seen in part."""
    count = len(ranks)
    if not len(allowed):
        for key in range(max(0, count - latest), count):
            ranks[key] = _LATEST
        for key in range(min(first, count)):
            ranks[key] = _FIRST
        return 0
    forced, order, total = 0, 0, 0
    for block in range(len(open_)):
        total += open_[block]
    for block in range(len(open_)):
        for key in range(block * grain, block * grain + grain):
            if not allowed[key]:
                ranks[key] = _CLOSED
                continue
            order += 1
            if open_[block] < grain:
                ranks[key] = _FORCED
                forced += 1
            elif order <= first:
                ranks[key] = _FIRST - np.float32(order) * _NEXT
            elif order > total - latest:
                ranks[key] = _LATEST + np.float32(order) * _NEXT
    return forced


@step
def chosen(ranks: Array, wanted: int, places: Array, found: Array, into: Array) -> int:
    """The places of the `wanted` largest ranks of 0 or more, in order, into (at least `wanted`); how many they are. Of
    equal ranks the first are taken. places, found: int32, room for `SPARE_ROOM` more than there are ranks."""
    if wanted <= 0:
        return 0
    bits, count = ranks.view(np.int32), len(ranks)
    floor = np.int32(0)
    if count >= LONG and wanted * 4 <= count:
        floor = _guessed(bits, wanted, found)
    held = _above(bits, floor, places, found)
    if held < wanted and floor > 0:  # the sample was misleading
        held = _above(bits, np.int32(0), places, found)
    if held > wanted:
        held = _largest(places, found, held, wanted)
    for place in range(held):
        into[place] = places[place]
    return held


@step
def _largest(places: Array, found: Array, held: int, wanted: int) -> int:
    """Of the first `held` places those of the `wanted` largest bits come to the front, in order; how many they are."""
    least, spare = threshold(found, held, wanted)
    stay, whole = 0, held - held % LANES
    for start in range(0, whole, LANES):
        stay = still(found, start, np.int32(least), places, found, stay)
    for place in range(whole, held):
        places[stay], found[stay] = places[place], found[place]
        stay += found[stay] >= least
    return stay if stay == wanted else _first_ties(places, found, stay, least, spare)


@step
def _first_ties(places: Array, found: Array, held: int, least: int, spare: int) -> int:
    """Of those that equal `least` only the first `spare` stay."""
    stay = 0
    for place in range(held):
        tie = (found[place] == least) & (spare > 0)
        places[stay] = places[place]
        stay += (found[place] > least) | tie
        spare -= tie
    return stay


@step
def _above(bits: Array, floor: np.int32, places: Array, found: Array) -> int:
    """Where bits (n) are `floor` or more: the places and the bits themselves, into (n + 16) each; how many."""
    held, whole = 0, len(bits) - len(bits) % LANES
    for start in range(0, whole, LANES):
        held = kept(bits, start, floor, places, found, held)
    for key in range(whole, len(bits)):
        places[held], found[held] = key, bits[key]
        held += bits[key] >= floor
    return held


@step
def _guessed(bits: Array, wanted: int, sample: Array) -> np.int32:
    """A threshold that `SPARE` times as many as are wanted should reach, from a sample, for which there is room."""
    stride = max(1, len(bits) // SAMPLE)
    held = 0
    for key in range(0, len(bits), stride):
        sample[held] = bits[key]
        held += bits[key] >= 0
    least = int(SPARE * wanted / stride) + 8
    return np.int32(threshold(sample, held, least)[0]) if held > least else np.int32(0)


@step
def threshold(bits: Array, count: int, wanted: int) -> tuple[int, int]:
    """(t, s): the `wanted` largest of the first `count` bits, each 0 or more, are those above t and s of those that
    equal it."""
    counts = np.zeros(2 * _DIGIT, np.int32)
    for place in range(count):
        counts[bits[place] >> _HIGH] += 1
    high, left = _digit(counts, wanted)
    counts[:] = 0
    for place in range(count):
        if bits[place] >> _HIGH == high:
            counts[(bits[place] >> _MIDDLE) & (_DIGIT - 1)] += 1
    middle, left = _digit(counts, left)
    upper = high * _DIGIT + middle
    counts[:] = 0
    for place in range(count):
        if bits[place] >> _MIDDLE == upper:
            counts[bits[place] & (_DIGIT - 1)] += 1
    low, left = _digit(counts, left)
    return upper * _DIGIT + low, left


@step
def _digit(counts: Array, wanted: int) -> tuple[int, int]:
    """The digit in which the wanted-th largest lies, and how many are wanted of those that have it."""
    digit, left = len(counts) - 1, wanted
    while digit > 0 and counts[digit] < left:
        left -= counts[digit]
        digit -= 1
    return digit, left
