# mypy: disable-error-code="import-not-found,import-untyped,no-untyped-def,no-untyped-call,untyped-decorator"
"""The way back through a window, tiles made again from the lse (Dao et al. 2022). Importing this imports triton.

weight = exp2(score - lse); to the value: weightᵀ · grad; to the score: weight * (grad · valueᵀ - delta), where
`delta` (batch, heads, query_len) is what every weight of a row pays back: Σ grad * output, less the lse's own gradient.
Two kernels, so that nothing is added up by several programs at once: the sums have one order, the same each time.
"""

from __future__ import annotations

import triton
import triton.language as tl

from regard.kernels.triton.tile import (
    LOG2E,
    keys_in_reach,
    lane_of,
    load_rows,
    queries_in_reach,
    scores_of,
    store_rows,
)


@triton.jit
def score_gradients(query, key, value, grad, floor, delta, row, col, call, CAPPED: tl.constexpr):
    """(weights, gradients of scale * q · k), both (ROWS, COLS)."""
    scores, slope = scores_of(query, key, row, col, call, CAPPED)
    weights = tl.exp2(scores - floor[:, None])
    back = tl.dot(grad, tl.trans(value), input_precision="ieee")
    return weights, weights * (back - delta[:, None]) * slope


@triton.jit
def load_row_terms(lse, delta, lane, row, call):
    """(ROWS,) lse in base 2, +inf in an empty row, where exp2(score - inf) = 0; and delta."""
    spot = lane.to(tl.int64) * call.query_len + row
    known = tl.load(lse + spot, mask=row < call.query_len, other=0.0) * LOG2E
    floor = tl.where(known == float("-inf"), float("inf"), known)
    return floor, tl.load(delta + spot, mask=row < call.query_len, other=0.0)


@triton.jit
def to_query(
    query, key, value, grad, known, into, call,
    ROWS: tl.constexpr, COLS: tl.constexpr, WIDE: tl.constexpr, VALUE_WIDE: tl.constexpr, CAPPED: tl.constexpr,
):  # fmt: skip
    """A program a block of queries: fills the gradient of the query. `known` is (lse, delta)."""
    count = tl.cdiv(call.query_len, ROWS)
    lane = tl.program_id(0) // count
    first = tl.program_id(0) % count * ROWS
    batch, head = lane // call.heads, lane % call.heads
    row = first + tl.arange(0, ROWS)
    own = load_rows(lane_of(query, batch, head), query, first, call.query_len, call.dim, ROWS, WIDE)
    pull = load_rows(lane_of(grad, batch, head), grad, first, call.query_len, call.value_dim, ROWS, VALUE_WIDE)
    floor, delta = load_row_terms(known.lse, known.delta, lane, row, call)
    key_at, value_at = lane_of(key, batch, head // call.groups), lane_of(value, batch, head // call.groups)
    total = tl.zeros((ROWS, WIDE), tl.float32)
    low, high = keys_in_reach(call, first, ROWS, COLS)
    for begin in range(low, high, COLS):
        col = begin + tl.arange(0, COLS)
        keys = load_rows(key_at, key, begin, call.key_len, call.dim, COLS, WIDE)
        values = load_rows(value_at, value, begin, call.key_len, call.value_dim, COLS, VALUE_WIDE)
        _, back = score_gradients(own, keys, values, pull, floor, delta, row, col, call, CAPPED)
        total += tl.dot(back.to(keys.dtype), keys, input_precision="ieee")
    store_rows(lane_of(into, batch, head), into, total * call.scale, first, call.query_len, call.dim, ROWS, WIDE)


@triton.jit
def to_key(
    query, key, value, grad, known, into, call,
    ROWS: tl.constexpr, COLS: tl.constexpr, WIDE: tl.constexpr, VALUE_WIDE: tl.constexpr, CAPPED: tl.constexpr,
):  # fmt: skip
    """A program a block of keys: fills the gradients of key and value (`into`), over all heads that share the key."""
    count = tl.cdiv(call.key_len, COLS)
    shared = tl.program_id(0) // count
    first = tl.program_id(0) % count * COLS
    key_heads = call.heads // call.groups
    batch, key_head = shared // key_heads, shared % key_heads
    col = first + tl.arange(0, COLS)
    keys = load_rows(lane_of(key, batch, key_head), key, first, call.key_len, call.dim, COLS, WIDE)
    values = load_rows(lane_of(value, batch, key_head), value, first, call.key_len, call.value_dim, COLS, VALUE_WIDE)
    sum_key = tl.zeros((COLS, WIDE), tl.float32)
    sum_value = tl.zeros((COLS, VALUE_WIDE), tl.float32)
    low, high = queries_in_reach(call, first, ROWS, COLS)
    for member in range(call.groups):
        head = key_head * call.groups + member
        query_at, grad_at = lane_of(query, batch, head), lane_of(grad, batch, head)
        for begin in range(low, high, ROWS):
            row = begin + tl.arange(0, ROWS)
            own = load_rows(query_at, query, begin, call.query_len, call.dim, ROWS, WIDE)
            pull = load_rows(grad_at, grad, begin, call.query_len, call.value_dim, ROWS, VALUE_WIDE)
            floor, delta = load_row_terms(known.lse, known.delta, batch * call.heads + head, row, call)
            weights, back = score_gradients(own, keys, values, pull, floor, delta, row, col, call, CAPPED)
            sum_value += tl.dot(tl.trans(weights).to(pull.dtype), pull, input_precision="ieee")
            sum_key += tl.dot(tl.trans(back).to(own.dtype), own, input_precision="ieee")
    key_into, value_into = lane_of(into.key, batch, key_head), lane_of(into.value, batch, key_head)
    store_rows(key_into, into.key, sum_key * call.scale, first, call.key_len, call.dim, COLS, WIDE)
    store_rows(value_into, into.value, sum_value, first, call.key_len, call.value_dim, COLS, VALUE_WIDE)
