"""Runs of 16 numbers, written as instructions: loading, widening, multiplying and adding up across.

The compiler makes such code of plain loops where one row is read, and not where several are kept at once: it would have
to know that the arrays lie apart.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

LANES = 16
PLACE = ir.IntType(64)
WHOLE = ir.IntType(32)
FLOAT = ir.FloatType()
FLOATS = ir.VectorType(FLOAT, LANES)
_WHOLES = ir.VectorType(WHOLE, LANES)
_HALVES = ir.VectorType(ir.IntType(16), LANES)
_UP, _KEPT, _SCALE, _MOST, _ALL_ONES = 13, -0x70002000, 2.0**112, 65536.0, 0x7F800000  # as floats.widened_half


class Rows:
    """An array argument whose last axis is contiguous, as addresses."""

    def __init__(self, context: Any, builder: Any, kind: Any, value: Any) -> None:
        array = context.make_array(kind)(context, builder, value)
        self.builder, self.kind = builder, kind.dtype
        self.size = kind.dtype.bitwidth // 8
        self.start = builder.ptrtoint(array.data, PLACE)
        self.stride = builder.extract_value(array.strides, 0)  # in bytes

    def at(self, *parts: Any) -> Any:
        """The address of the number at the sum of `parts`, in numbers."""
        return moved(self.builder, self.start, self.size, *parts)

    def row(self, row: Any, *parts: Any) -> Any:
        """The address of a number of a row."""
        builder = self.builder
        return moved(builder, builder.add(self.start, builder.mul(self.stride, row)), self.size, *parts)


def moved(builder: Any, address: Any, size: int, *parts: Any) -> Any:
    """An address so many numbers of `size` bytes further."""
    for part in parts:
        address = builder.add(address, builder.mul(part, PLACE(size)))
    return address


def get(builder: Any, address: Any) -> Any:
    """A float32."""
    return builder.load(builder.inttoptr(address, FLOAT.as_pointer()), align=4)


def vector(builder: Any, address: Any) -> Any:
    """16 float32."""
    return builder.load(builder.inttoptr(address, FLOATS.as_pointer()), align=4)


def put(builder: Any, made: Any, address: Any) -> None:
    builder.store(made, builder.inttoptr(address, made.type.as_pointer()), align=4)


def wide(builder: Any, address: Any, kind: Any) -> Any:
    """16 numbers of `kind` as float32: int16 are the bits of bfloat16, uint16 those of half precision."""
    if kind == types.float32:
        return vector(builder, address)
    bits = builder.load(builder.inttoptr(address, _HALVES.as_pointer()), align=2)
    if kind == types.int16:
        return builder.bitcast(builder.shl(builder.zext(bits, _WHOLES), _whole(16)), FLOATS)
    kept = builder.and_(builder.shl(builder.sext(bits, _WHOLES), _whole(_UP)), _whole(_KEPT))
    made = builder.fmul(builder.bitcast(kept, FLOATS), floats(_SCALE))
    odd = builder.bitcast(builder.or_(builder.bitcast(made, _WHOLES), _whole(_ALL_ONES)), FLOATS)
    low = builder.fcmp_ordered("<", made, floats(_MOST))
    high = builder.fcmp_ordered(">", made, floats(-_MOST))
    return builder.select(builder.and_(low, high), made, odd)


def floats(number: float) -> Any:
    return ir.Constant(FLOATS, [number] * LANES)


def _whole(number: int) -> Any:
    return ir.Constant(_WHOLES, [number] * LANES)


def spread(builder: Any, number: Any) -> Any:
    """16 times the same number."""
    empty = ir.Constant(FLOATS, ir.Undefined)
    return builder.shuffle_vector(
        builder.insert_element(empty, number, WHOLE(0)), empty, ir.Constant(_WHOLES, [0] * LANES)
    )


def added(builder: Any, total: Any, one: Any, other: Any) -> Any:
    """total + one * other, rounded once where the processor can."""
    product = builder.fmul(one, other, flags=("contract",))
    return builder.fadd(total, product, flags=("contract",))


def across(builder: Any, vectors: list[Any]) -> Any:
    """16 vectors to one: number i is the sum of vector i. At each step two vectors become one of half as many sums."""
    step = 1
    while len(vectors) > 1:
        first = [i if not i & step else i - step + LANES for i in range(LANES)]
        second = [i + step if not i & step else i + LANES for i in range(LANES)]
        vectors = [
            builder.fadd(_mixed(builder, a, b, first), _mixed(builder, a, b, second))
            for a, b in zip(vectors[::2], vectors[1::2], strict=True)
        ]
        step *= 2
    return vectors[0]


def _mixed(builder: Any, one: Any, other: Any, places: list[int]) -> Any:
    return builder.shuffle_vector(one, other, ir.Constant(_WHOLES, places))


def part(builder: Any, whole: Any, start: int, count: int) -> Any:
    """`count` numbers of a vector."""
    places = ir.Constant(ir.VectorType(WHOLE, count), list(range(start, start + count)))
    return builder.shuffle_vector(whole, ir.Constant(FLOATS, ir.Undefined), places)
