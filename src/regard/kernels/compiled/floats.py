"""Numbers: powers of two, and half precision as it is stored."""

from __future__ import annotations

import math

import numpy as np

from regard.kernels.compiled.compiler import Array, step

LOWEST = np.float32(np.finfo(np.float32).min)
HUGE = np.float32(3e38)  # a score above it is taken for infinite
TINY = np.float32(np.finfo(np.float32).tiny)

_LEAST = np.float32(-126)  # the power of two that is the smallest normal number; what lies below counts as 0
_HALF, _NONE, _ONE = np.float32(0.5), np.float32(0), np.float32(1)
_BIAS, _MANTISSA = np.int32(127), np.int32(23)
# 2^x = e^(x ln 2): its Taylor series. For |x| <= 1/2 what is left out is below (ln 2 / 2)^8 / 8!, 5e-9
_C1, _C2, _C3, _C4, _C5, _C6, _C7 = (np.float32(math.log(2) ** k / math.factorial(k)) for k in range(1, 8))
_UP, _KEPT = np.int32(13), np.int32(-0x70002000)  # the sign, and the 15 other bits shifted
_SCALE = np.float32(2.0**112)  # the exponents of the two formats are counted from 15 and 127


@step
def exp2(x: np.float32) -> np.float32:
    """2^x for x <= 0, -inf and NaN among them; 0 below 2^-126."""
    held = x if x > _LEAST else _LEAST
    whole = np.int32(held - _HALF)  # towards 0: the nearest whole number
    part = held - np.float32(whole)
    power = _ONE + part * (_C1 + part * (_C2 + part * (_C3 + part * (_C4 + part * (_C5 + part * (_C6 + part * _C7))))))
    made = power * np.int32((whole + _BIAS) << _MANTISSA).view(np.float32)
    return made if x >= _LEAST else _NONE


@step
def widened(half: np.int16) -> np.float32:
    """A finite number of half precision, from its bits."""
    bits = np.int32(half) << _UP  # of 32 bits the upper four are the sign
    return np.int32(bits & _KEPT).view(np.float32) * _SCALE


@step
def peak(numbers: Array, least: np.float32) -> np.float32:
    """The largest number, at least `least`; NaN where that or a number is NaN, or too large for a score."""
    for place in range(len(numbers)):
        if not numbers[place] <= HUGE:
            return np.float32(np.nan)
        if numbers[place] > least:
            least = numbers[place]
    return least


@step
def total(numbers: Array) -> np.float32:
    added = np.float32(0)
    for place in range(len(numbers)):
        added += numbers[place]
    return added
