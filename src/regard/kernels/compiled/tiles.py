"""Products of several rows with several keys or values at once: each number is loaded and widened once for the rows.

A tile of scores is 2 or 4 rows on 8 or 4 keys: 16 sums, each in a vector of its own, added up across at the end.
A tile of sums is 2 or 4 rows of 32 or 16 numbers, over all keys of a block. Both stay in the processor's registers.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from regard.kernels.compiled.compiler import Array
from regard.kernels.compiled.floats import wide as plain_wide
from regard.kernels.compiled.vectors import (
    FLOATS,
    LANES,
    PLACE,
    Rows,
    across,
    added,
    floats,
    get,
    moved,
    part,
    put,
    spread,
    vector,
    wide,
)

CHUNKS = 2  # vectors of a row of sums


def _scoring(rows: int) -> Any:
    many = LANES // rows  # keys

    def typed(context: Any, query: Any, row: Any, keys: Any, start: Any, stride: Any, scores: Any, column: Any) -> Any:
        """scores[row + i, column + j] = query[row + i] · the key at `start + j * stride`, over whole vectors.

        query (R, d), keys: numbers one after the other, scores (R, c)."""

        def built(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            kinds = signature.args
            asked, stored, into = (Rows(context, builder, kinds[i], given[i]) for i in (0, 2, 5))
            row, start, stride, column = given[1], given[3], given[4], given[6]
            sums = [cgutils.alloca_once(builder, FLOATS) for _ in range(LANES)]
            for each in sums:
                builder.store(floats(0.0), each)
            places = [stored.at(start, builder.mul(stride, PLACE(j))) for j in range(many)]
            asks = [asked.row(builder.add(row, PLACE(i))) for i in range(rows)]
            width = context.make_array(kinds[0])(context, builder, given[0]).shape
            steps = builder.sdiv(builder.extract_value(width, 1), PLACE(LANES))
            with cgutils.for_range(builder, steps) as loop:
                offset = builder.mul(loop.index, PLACE(LANES))
                read = [wide(builder, moved(builder, each, stored.size, offset), stored.kind) for each in places]
                for i, ask in enumerate(asks):
                    numbers = vector(builder, moved(builder, ask, 4, offset))
                    for j, key in enumerate(read):
                        total = sums[i * many + j]
                        builder.store(added(builder, builder.load(total), numbers, key), total)
            made = across(builder, [builder.load(each) for each in sums])
            for i in range(rows):
                put(builder, part(builder, made, i * many, many), into.row(builder.add(row, PLACE(i)), column))
            return context.get_dummy_value()

        place = types.int64
        return types.void(query, place, keys, place, place, scores, place), built

    return typed


def _summing(rows: int, chunks: int) -> Any:
    def typed(
        context: Any,
        weights: Any,
        row: Any,
        values: Any,
        start: Any,
        stride: Any,
        count: Any,
        output: Any,
        column: Any,
    ) -> Any:
        """output[row + i, column + x] += sum over j < count of weights[row + i, j] * the value at `start + j * stride`.

        weights (R, c), values: numbers one after the other, output (R, e)."""

        def built(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            kinds = signature.args
            weighing, stored, into = (Rows(context, builder, kinds[i], given[i]) for i in (0, 2, 6))
            row, start, stride, count, column = (given[i] for i in (1, 3, 4, 5, 7))
            where = [
                [into.row(builder.add(row, PLACE(i)), column, PLACE(c * LANES)) for c in range(chunks)]
                for i in range(rows)
            ]
            sums = [[cgutils.alloca_once(builder, FLOATS) for _ in range(chunks)] for _ in range(rows)]
            for places, each in zip(where, sums, strict=True):
                for place, one in zip(places, each, strict=True):
                    builder.store(vector(builder, place), one)
            first = stored.at(start, column)
            lines = [weighing.row(builder.add(row, PLACE(i))) for i in range(rows)]
            with cgutils.for_range(builder, count) as loop:
                at = moved(builder, first, stored.size, builder.mul(loop.index, stride))
                read = [
                    wide(builder, moved(builder, at, stored.size, PLACE(c * LANES)), stored.kind) for c in range(chunks)
                ]
                for line, each in zip(lines, sums, strict=True):
                    weight = spread(builder, get(builder, moved(builder, line, 4, loop.index)))
                    for one, numbers in zip(each, read, strict=True):
                        builder.store(added(builder, builder.load(one), weight, numbers), one)
            for places, each in zip(where, sums, strict=True):
                for place, one in zip(places, each, strict=True):
                    put(builder, builder.load(one), place)
            return context.get_dummy_value()

        place = types.int64
        return types.void(weights, place, values, place, place, place, output, place), built

    return typed


def _plain_scoring(rows: int) -> Any:
    def scored(query: Array, row: int, keys: Array, start: int, stride: int, scores: Array, column: int) -> None:
        whole, many = query.shape[1] // LANES * LANES, LANES // rows
        for j in range(many):
            at = start + j * stride
            assert at + whole <= len(keys)
            scores[row : row + rows, column + j] = query[row : row + rows, :whole] @ _widened(keys[at : at + whole])

    return scored


def _plain_summing(rows: int, chunks: int) -> Any:
    def summed(
        weights: Array, row: int, values: Array, start: int, stride: int, count: int, output: Array, column: int
    ) -> None:
        stop = column + chunks * LANES
        assert stop <= output.shape[1]
        for j in range(count):
            at = start + j * stride
            assert at + stop <= len(values)
            numbers = _widened(values[at + column : at + stop])
            output[row : row + rows, column:stop] += np.outer(weights[row : row + rows, j], numbers)

    return summed


def _widened(stored: Array) -> Array:
    return np.array([plain_wide(number) for number in stored], np.float32)


def _scores_tile(rows: int) -> Any:
    return _plain_scoring(rows) if numba.config.DISABLE_JIT else intrinsic(_scoring(rows))


def _sums_tile(rows: int, chunks: int) -> Any:
    return _plain_summing(rows, chunks) if numba.config.DISABLE_JIT else intrinsic(_summing(rows, chunks))


scored_2, scored_4 = (_scores_tile(rows) for rows in (2, 4))
summed_2, summed_4 = (_sums_tile(rows, CHUNKS) for rows in (2, 4))
narrow_2, narrow_4 = (_sums_tile(rows, 1) for rows in (2, 4))
