"""Asking for rows before they are needed: what was picked lies scattered, and the processor cannot guess where."""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from regard.kernels.compiled.compiler import Array, step

AHEAD = 96  # rows: of 8, 24, 96 and 400 the best on the machine of docs/benchmarks.md
_LINE = 64  # bytes of memory that a processor reads at once, about


def _typed(context: Any, rows: Any, row: Any, column: Any) -> Any:
    """Asks for the line of memory `column` bytes into a row of `rows` (n, width); does no harm where there is none."""

    def built(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        stride = builder.extract_value(array.strides, 0)
        start = builder.ptrtoint(array.data, ir.IntType(64))
        place = builder.add(builder.add(start, builder.mul(stride, arguments[1])), arguments[2])
        pointer, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, flag, flag, flag])
        call = builder.module.declare_intrinsic("llvm.prefetch", [pointer], kind)
        # for reading, to be kept near, of data
        builder.call(call, [builder.inttoptr(place, pointer), flag(0), flag(3), flag(1)])
        return context.get_dummy_value()

    return types.void(rows, types.int64, types.int64), built


def _nothing(rows: Array, row: int, column: int) -> None:
    """Where loops are not compiled."""


_line = _nothing if numba.config.DISABLE_JIT else intrinsic(_typed)


@step
def wanted(rows: Array, row: int) -> None:
    """A row of `rows` (n, width) will be read soon."""
    for column in range(0, rows.shape[1] * rows.itemsize, _LINE):
        _line(rows, row, column)
