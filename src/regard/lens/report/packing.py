"""Arrays of figures made small: quantised to whole numbers, in byte planes, deflated, in base64.

A quantised array is 8 or 16 bits a number, and says how to get the numbers back and how far off they may be. Of 16-bit
numbers all high bytes come first and then all low bytes, which deflate makes smaller than pairs of bytes.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regard.spec.errors import SpecError

Floats = NDArray[np.floating]

_FIRST = 64  # keys told by their place: sinks stand there
_NONE = 65535
_WIDEST = 1e9  # the widest range, heaviest over lightest, that a logarithmic code spreads over


@dataclass(frozen=True, eq=False)
class Coded:
    """One array in whole numbers. codes: uint8 or uint16. rule, with `highest` = 255 or 65,535:

    - "whole": the code itself;
    - "linear": code / highest * to;
    - "square": (code / highest)^2 * to;
    - "log": 0 is 0, else since * (to / since)^((code - 1) / (highest - 1));
    - "near": a key of a query. `highest` is none; a code under `since` is the key; from there on the distance back
      from the query, code - since, or with to=2, where keys may lie ahead: code - since = 2 * back, or 2 * ahead - 1.
    """

    name: str
    codes: NDArray[np.unsignedinteger]
    rule: str
    since: float = 0.0
    to: float = 1.0

    @property
    def bits(self) -> int:
        return 8 * self.codes.dtype.itemsize

    @property
    def error(self) -> float:
        """The largest error: of a "log" code relative to the value, else in the value's own unit."""
        highest = 2**self.bits - 1
        if self.rule == "log":
            return float(np.expm1(np.log(self.to / self.since) / (highest - 1) / 2)) if self.to > self.since else 0.0
        return 0.0 if self.rule in ("whole", "near") else self.to / highest / (2 if self.rule == "linear" else 1)

    def header(self) -> dict[str, object]:
        """What a reader needs beside the bytes."""
        return {
            "name": self.name,
            "shape": list(self.codes.shape),
            "bits": self.bits,
            "rule": self.rule,
            "since": self.since,
            "to": self.to,
        }

    def planes(self) -> bytes:
        """The codes row by row; of 16 bits all high bytes, then all low bytes."""
        if self.bits == 8:
            return self.codes.tobytes()
        return (self.codes >> 8).astype(np.uint8).tobytes() + (self.codes & 255).astype(np.uint8).tobytes()


def whole(name: str, values: NDArray[np.integer]) -> Coded:
    """Places on an axis in 16 bits. Raises `SpecError` from 65,535 places on."""
    if values.size and int(values.max()) >= _NONE:
        raise SpecError(f"{name} holds place {int(values.max()):,}: a report holds at most 65,535 units an axis")
    return Coded(name, values.astype(np.uint16), "whole")


def near(name: str, keys: NDArray[np.integer], queries: NDArray[np.integer]) -> Coded:
    """Keys of queries, -1 for none: the first 64 keys by their place, others by their distance, which deflates better.

    keys: (..., queries). queries: their places. Raises `SpecError` where an axis is too long for 16 bits.
    """
    back = queries.astype(np.int64) - keys
    two_ways = bool((back[keys >= _FIRST] < 0).any())
    steps = np.where(back >= 0, 2 * back, -2 * back - 1) if two_ways else back
    codes = np.where(keys < _FIRST, keys, steps + _FIRST)
    codes = np.where(keys < 0, _NONE, codes)
    if codes.size and int(codes[keys >= 0].max(initial=0)) >= _NONE:
        raise SpecError(f"{name}: a key lies {int(np.abs(back).max()):,} places away; a report holds at most 32,000")
    return Coded(name, codes.astype(np.uint16), "near", float(_FIRST), 2.0 if two_ways else 1.0)


def linear(name: str, values: Floats, *, bits: int) -> Coded:
    """Equal steps from 0 to the largest value."""
    values = _finite(values)
    to = _most(values)
    return Coded(name, _codes(values / to, bits), "linear", 0.0, to)


def square(name: str, values: Floats, *, bits: int, to: float = 1.0) -> Coded:
    """Steps that are finer the smaller the value: for weights, of which most are small."""
    return Coded(name, _codes(np.sqrt(_finite(values) / to), bits), "square", 0.0, to)


def logarithmic(name: str, values: Floats, *, bits: int) -> Coded:
    """Equal ratios from the lightest value to the heaviest, at most a factor of 10^9; lighter ones count as none."""
    values = _finite(values)
    to = _most(values)
    positive = values[values > 0]
    since = max(float(positive.min()), to / _WIDEST) if positive.size else to
    highest = 2**bits - 1
    spread = np.log(to / since)
    with np.errstate(divide="ignore"):
        steps = np.log(values / since) / spread if spread > 0 else np.where(values > 0, 1.0, -1.0)
    codes = np.where(steps >= 0, 1 + np.rint(np.clip(steps, 0, 1) * (highest - 1)), 0)
    # float32 dust just under `since` is the lightest value, not none
    codes = np.where((codes == 0) & (values > since * (1 - 1e-6)), 1, codes)
    return Coded(name, codes.astype(np.uint8 if bits == 8 else np.uint16), "log", since, to)


def deflated(content: bytes) -> str:
    """gzip, then base64; the same bytes give the same text on any day."""
    return base64.b64encode(gzip.compress(content, 6, mtime=0)).decode("ascii")


def section(arrays: Sequence[Coded]) -> str:
    """Arrays one after another, deflated."""
    return deflated(b"".join(array.planes() for array in arrays))


def _codes(shares: Floats, bits: int) -> NDArray[np.unsignedinteger]:
    scaled: Floats = np.rint(np.clip(shares, 0, 1) * (2**bits - 1))
    return scaled.astype(np.uint8 if bits == 8 else np.uint16)


def _finite(values: Floats) -> Floats:
    return np.nan_to_num(np.asarray(values, np.float64), nan=0.0, posinf=0.0, neginf=0.0).clip(min=0.0)


def _most(values: Floats) -> float:
    return float(values.max()) if values.size and values.max() > 0 else 1.0
