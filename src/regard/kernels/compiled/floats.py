"""Numbers: powers of two, and half precision as it is stored."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from regard.kernels.compiled.compiler import SUMS, Array, step

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
_PAST, _ALL_ONES = np.float32(65536), np.int32(0x7F800000)  # what an exponent of 31 gives, and what it stands for
_HALVED = np.int32(16)
_SIGN, _SIZE, _ZERO = np.int32(31), np.int32(0x7FFFFFFF), np.int32(0)
_BOTTOM = np.int32(-0x80000000)


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
def powered(x: np.float32) -> np.float32:
    """As `exp2`, and NaN stays NaN."""
    held, kept = x if x > _LEAST else _LEAST, _LEAST if x < _LEAST else x
    whole = np.int32(held - _HALF)
    part = kept - np.float32(whole)
    power = _ONE + part * (_C1 + part * (_C2 + part * (_C3 + part * (_C4 + part * (_C5 + part * (_C6 + part * _C7))))))
    made = power * np.int32((whole + _BIAS) << _MANTISSA).view(np.float32)
    return _NONE if x < _LEAST else made


@step
def widened(half: np.int16) -> np.float32:
    """A finite number of half precision, from its bits."""
    bits = np.int32(half) << _UP  # of 32 bits the upper four are the sign
    return np.int32(bits & _KEPT).view(np.float32) * _SCALE


@step
def widened_half(half: np.uint16) -> np.float32:
    """Any number of half precision, from its bits."""
    made = widened(np.int16(half))
    odd = np.int32(np.float32(made).view(np.int32) | _ALL_ONES).view(
        np.float32
    )  # infinity, and NaN, keep their lower bits
    return made if abs(made) < _PAST else odd


@step
def widened_brain(brain: np.int16) -> np.float32:
    """A number of bfloat16, from its bits."""
    return np.int32(np.int32(brain) << _HALVED).view(np.float32)


def wide(stored: Any) -> Any:
    """A number as float32: int16 are the bits of bfloat16, uint16 those of half precision."""
    if isinstance(stored, np.float32):
        return stored
    return widened_brain(stored) if isinstance(stored, np.int16) else widened_half(stored)


def _wide(stored: Any) -> Any:
    """Which of them, by the type."""
    if stored == types.float32:
        return lambda stored: stored
    return (lambda stored: widened_brain(stored)) if stored == types.int16 else lambda stored: widened_half(stored)


overload(wide, jit_options={"fastmath": SUMS, "error_model": "numpy"}, strict=False)(_wide)


@step
def peak(numbers: Array, least: np.float32) -> np.float32:
    """The largest number, at least `least`; NaN where that or a number is NaN, or too large for a score.

    The bits are compared, as whole numbers: of those a compiler makes vectors."""
    bits, top, far = numbers.view(np.int32), _BOTTOM, _ZERO
    for place in range(len(bits)):
        size = bits[place] & _SIZE
        ordered = bits[place] ^ ((bits[place] >> _SIGN) & _SIZE)  # of negative numbers the larger are the smaller
        top, far = max(top, ordered), max(far, size)
    found = np.int32(top ^ ((top >> _SIGN) & _SIZE)).view(np.float32)
    if not len(bits) or found < least:
        found = least
    return found if far <= _ALL_ONES and found <= HUGE and least == least else np.float32(np.nan)


@step
def total(numbers: Array) -> np.float32:
    added = np.float32(0)
    for place in range(len(numbers)):
        added += numbers[place]
    return added
