# mypy: disable-error-code="import-not-found,import-untyped,no-untyped-def,no-untyped-call,untyped-decorator"
"""The two forward kernels: a window's output, and the same output with statistics. Importing this imports triton."""

from __future__ import annotations

import triton
import triton.language as tl

from regard.kernels.triton.tile import (
    LOG2E,
    attend_rows,
    keys_in_reach,
    lane_of,
    load_rows,
    offsets_of,
    scores_of,
    store_rows,
)


@triton.jit
def windowed(
    query, key, value, output, lse, call,
    ROWS: tl.constexpr, COLS: tl.constexpr, WIDE: tl.constexpr, VALUE_WIDE: tl.constexpr, CAPPED: tl.constexpr,
):  # fmt: skip
    """A program a block of queries. `lse` (batch, heads, query_len) lies without gaps; natural logarithm."""
    count = tl.cdiv(call.query_len, ROWS)
    lane = tl.program_id(0) // count
    first = tl.program_id(0) % count * ROWS
    batch, head = lane // call.heads, lane % call.heads
    row = first + tl.arange(0, ROWS)
    own = load_rows(lane_of(query, batch, head), query, first, call.query_len, call.dim, ROWS, WIDE)
    key_at, value_at = lane_of(key, batch, head // call.groups), lane_of(value, batch, head // call.groups)
    context, total = attend_rows(
        own, key_at, key, value_at, value, first, call, ROWS, COLS, WIDE, VALUE_WIDE, CAPPED
    )  # fmt: skip
    output_at = lane_of(output, batch, head)
    store_rows(output_at, output, context, first, call.query_len, call.value_dim, ROWS, VALUE_WIDE)
    tl.store(lse + lane.to(tl.int64) * call.query_len + row, total / LOG2E, mask=row < call.query_len)


@triton.jit
def observed(
    query, key, value, output, seen, call,
    ROWS: tl.constexpr, COLS: tl.constexpr, WIDE: tl.constexpr, VALUE_WIDE: tl.constexpr, CAPPED: tl.constexpr,
):  # fmt: skip
    """`windowed`, and then a second round over the same tiles, in which weight = exp2(score - lse) is reduced at once.

    `seen` is (lse, entropy, distance), each (batch, heads, query_len), and received (batch, heads, key_len), which
    begins as 0: every block of queries adds its own to it.
    """
    count = tl.cdiv(call.query_len, ROWS)
    lane = tl.program_id(0) // count
    first = tl.program_id(0) % count * ROWS
    batch, head = lane // call.heads, lane % call.heads
    row = first + tl.arange(0, ROWS)
    own = load_rows(lane_of(query, batch, head), query, first, call.query_len, call.dim, ROWS, WIDE)
    key_at, value_at = lane_of(key, batch, head // call.groups), lane_of(value, batch, head // call.groups)
    context, total = attend_rows(
        own, key_at, key, value_at, value, first, call, ROWS, COLS, WIDE, VALUE_WIDE, CAPPED
    )  # fmt: skip
    output_at = lane_of(output, batch, head)
    store_rows(output_at, output, context, first, call.query_len, call.value_dim, ROWS, VALUE_WIDE)
    floor = tl.where(total == float("-inf"), float("inf"), total)  # exp2(score - inf) = 0 in an empty row
    entropy = tl.zeros((ROWS,), tl.float32)
    distance = tl.zeros((ROWS,), tl.float32)
    low, high = keys_in_reach(call, first, ROWS, COLS)
    for begin in range(low, high, COLS):
        col = begin + tl.arange(0, COLS)
        keys = load_rows(key_at, key, begin, call.key_len, call.dim, COLS, WIDE)
        scores, _ = scores_of(own, keys, row, col, call, CAPPED)
        logs = scores - floor[:, None]
        weights = tl.exp2(logs)
        entropy -= tl.sum(weights * tl.where(weights == 0.0, 0.0, logs), 1)  # not 0 * -inf
        distance += tl.sum(weights * tl.abs(offsets_of(call, row, col)).to(tl.float32), 1)
        at = seen.received + lane.to(tl.int64) * call.key_len + col
        tl.atomic_add(at, tl.sum(weights, 0), mask=col < call.key_len)
    spot = lane.to(tl.int64) * call.query_len + row
    tl.store(seen.lse + spot, total / LOG2E, mask=row < call.query_len)
    entropy = tl.where(entropy < 0.0, 0.0, entropy) / LOG2E  # not a maximum, which would drop NaN
    tl.store(seen.entropy + spot, entropy, mask=row < call.query_len)
    tl.store(seen.distance + spot, distance, mask=row < call.query_len)
