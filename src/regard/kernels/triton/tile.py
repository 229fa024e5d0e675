# mypy: disable-error-code="import-not-found,import-untyped,no-untyped-def,no-untyped-call,untyped-decorator"
"""Device functions that every kernel here is made of: rows of a matrix, reach of a block, scores of a tile.

Scores are kept in base 2 (multiplied by log2 e), because GPUs have an exp2. Loads beyond the end give 0; such rows and
columns are never allowed. Importing this file imports triton.
"""

from __future__ import annotations

import triton
import triton.language as tl

LOG2E = tl.constexpr(1.4426950408889634)


@triton.jit
def lane_of(four, batch, head):
    """The first entry of one (length, size) matrix."""
    return four.at + batch.to(tl.int64) * four.batch + head.to(tl.int64) * four.head


@triton.jit
def load_rows(base, four, first, length, size, ROWS: tl.constexpr, WIDE: tl.constexpr):
    """(ROWS, WIDE): the rows from `first` on."""
    row = first + tl.arange(0, ROWS)
    col = tl.arange(0, WIDE)
    inside = (row[:, None] < length) & (col[None, :] < size)
    return tl.load(base + row[:, None].to(tl.int64) * four.row + col[None, :] * four.col, mask=inside, other=0.0)


@triton.jit
def store_rows(base, four, tile, first, length, size, ROWS: tl.constexpr, WIDE: tl.constexpr):
    """Write (ROWS, WIDE) over the rows from `first` on, in the tensor's own dtype."""
    row = first + tl.arange(0, ROWS)
    col = tl.arange(0, WIDE)
    inside = (row[:, None] < length) & (col[None, :] < size)
    at = base + row[:, None].to(tl.int64) * four.row + col[None, :] * four.col
    tl.store(at, tile.to(four.at.dtype.element_ty), mask=inside)


@triton.jit
def keys_in_reach(call, first, ROWS: tl.constexpr, COLS: tl.constexpr):
    """The columns `low..high` that any of the queries `first..first + ROWS` may attend to; `low` begins a block."""
    last = tl.minimum(first + ROWS, call.query_len) - 1
    low = tl.maximum(first + call.start - call.before, 0) // COLS * COLS
    high = tl.minimum(last + call.start + call.after + 1, call.key_len)
    return low, high


@triton.jit
def queries_in_reach(call, first, ROWS: tl.constexpr, COLS: tl.constexpr):
    """The rows `low..high` that may attend to any of the keys `first..first + COLS`; `low` begins a block."""
    last = tl.minimum(first + COLS, call.key_len) - 1
    low = tl.maximum(first - call.start - call.after, 0) // ROWS * ROWS
    high = tl.minimum(last - call.start + call.before + 1, call.query_len)
    return low, high


@triton.jit
def offsets_of(call, row, col):
    """(ROWS, COLS): key minus query position."""
    return col[None, :] - (row[:, None] + call.start)


@triton.jit
def tanh(x):
    """Of every entry, to a few units in the last place: from exp2, and near 0, where that cancels, from its series."""
    square = x * x
    series = x * (1.0 + square * (-1.0 / 3.0 + square * (2.0 / 15.0 - square * (17.0 / 315.0))))
    return tl.where(tl.abs(x) < 0.1, series, 1.0 - 2.0 / (tl.exp2(x * (2.0 * LOG2E)) + 1.0))


@triton.jit
def scores_of(query, key, row, col, call, CAPPED: tl.constexpr):
    """(ROWS, COLS) scores in base 2, -inf where not allowed, and the softcap's slope at each (1 without one)."""
    raw = tl.dot(query, tl.trans(key), input_precision="ieee") * call.scale
    slope = tl.full(raw.shape, 1.0, tl.float32)
    if CAPPED:
        bent = tanh(raw / call.cap)
        raw = bent * call.cap
        slope = 1.0 - bent * bent
    offset = offsets_of(call, row, col)
    allowed = (offset >= -call.before) & (offset <= call.after)
    allowed = allowed & (row[:, None] < call.query_len) & (col[None, :] < call.key_len)
    return tl.where(allowed, raw * LOG2E, float("-inf")), slope


@triton.jit
def attend_rows(
    query, key_at, key, value_at, value, first, call,
    ROWS: tl.constexpr, COLS: tl.constexpr, WIDE: tl.constexpr, VALUE_WIDE: tl.constexpr, CAPPED: tl.constexpr,
):  # fmt: skip
    """One block of queries over all keys in its reach (Dao et al. 2022): output (ROWS, VALUE_WIDE) and lse (ROWS) in
    base 2, float32; 0 and -inf in an empty row."""
    top = tl.full((ROWS,), float("-inf"), tl.float32)
    total = tl.zeros((ROWS,), tl.float32)
    context = tl.zeros((ROWS, VALUE_WIDE), tl.float32)
    row = first + tl.arange(0, ROWS)
    low, high = keys_in_reach(call, first, ROWS, COLS)
    for begin in range(low, high, COLS):
        keys = load_rows(key_at, key, begin, call.key_len, call.dim, COLS, WIDE)
        scores, _ = scores_of(query, keys, row, begin + tl.arange(0, COLS), call, CAPPED)
        higher = tl.maximum(top, tl.max(scores, 1))
        shift = tl.where(higher == float("-inf"), 0.0, higher)
        weights = tl.exp2(scores - shift[:, None])
        shrink = tl.exp2(top - shift)
        total = total * shrink + tl.sum(weights, 1)
        values = load_rows(value_at, value, begin, call.key_len, call.value_dim, COLS, VALUE_WIDE)
        context = context * shrink[:, None] + tl.dot(weights.to(values.dtype), values, input_precision="ieee")
        top = higher
    seen = total != 0.0  # NaN, from scores that overflow, is not 0
    context = context / tl.where(seen, total, 1.0)[:, None]
    lse = tl.where(seen, tl.log2(tl.where(seen, total, 1.0)) + top, float("-inf"))
    return context, lse
