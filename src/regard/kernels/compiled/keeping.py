"""Keeping the numbers that reach a floor, 16 at a time, without a branch: which do cannot be guessed."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from regard.kernels.compiled.compiler import Array
from regard.kernels.compiled.vectors import LANES, PLACE, WHOLE, Rows, put

_WHOLES = ir.VectorType(WHOLE, LANES)
_MARKS = ir.VectorType(ir.IntType(1), LANES)
_COUNT = ir.IntType(LANES)


def _kept(context: Any, bits: Any, start: Any, floor: Any, places: Any, found: Any, held: Any) -> Any:
    """Of bits[start : start + 16] those of `floor` or more, and their places, to the front of found[held:] and
    places[held:], where there must be room for 16. Gives `held` raised by how many they are. All are int32."""

    def built(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        own = builder.add(_spread(builder, builder.trunc(given[1], WHOLE)), ir.Constant(_WHOLES, list(range(LANES))))
        return _packed(context, builder, signature, given, own)

    return types.int64(bits, types.int64, types.int32, places, found, types.int64), built


def _still(context: Any, bits: Any, start: Any, floor: Any, places: Any, found: Any, held: Any) -> Any:
    """The same, where `bits` are those of `places`: with `found` the same array as `bits` both are packed where they
    lie, as long as held <= start."""

    def built(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        own = _loaded(builder, Rows(context, builder, signature.args[3], given[3]).at(given[1]))
        return _packed(context, builder, signature, given, own)

    return types.int64(bits, types.int64, types.int32, places, found, types.int64), built


def _packed(context: Any, builder: Any, signature: Any, given: Any, own: Any) -> Any:
    from_, to, also = (Rows(context, builder, signature.args[i], given[i]) for i in (0, 4, 3))
    numbers = _loaded(builder, from_.at(given[1]))
    reach = builder.icmp_signed(">=", numbers, _spread(builder, given[2]))
    kind = ir.FunctionType(_WHOLES, [_WHOLES, _MARKS, _WHOLES])
    pack = cgutils.get_or_insert_function(builder.module, kind, f"llvm.experimental.vector.compress.v{LANES}i32")
    for each, into in ((numbers, to), (own, also)):
        put(builder, builder.call(pack, [each, reach, ir.Constant(_WHOLES, ir.Undefined)]), into.at(given[5]))
    return builder.add(given[5], builder.zext(builder.ctpop(builder.bitcast(reach, _COUNT)), PLACE))


def _loaded(builder: Any, address: Any) -> Any:
    return builder.load(builder.inttoptr(address, _WHOLES.as_pointer()), align=4)


def _spread(builder: Any, number: Any) -> Any:
    empty = ir.Constant(_WHOLES, ir.Undefined)
    return builder.shuffle_vector(
        builder.insert_element(empty, number, WHOLE(0)), empty, ir.Constant(_WHOLES, [0] * LANES)
    )


def _plain_kept(bits: Array, start: int, floor: np.int32, places: Array, found: Array, held: int) -> int:
    for key in range(start, start + LANES):
        if bits[key] >= floor:
            places[held], found[held] = key, bits[key]
            held += 1
    return held


def _plain_still(bits: Array, start: int, floor: np.int32, places: Array, found: Array, held: int) -> int:
    for key in range(start, start + LANES):
        if bits[key] >= floor:
            places[held], found[held] = places[key], bits[key]
            held += 1
    return held


kept = _plain_kept if numba.config.DISABLE_JIT else intrinsic(_kept)
still = _plain_still if numba.config.DISABLE_JIT else intrinsic(_still)
