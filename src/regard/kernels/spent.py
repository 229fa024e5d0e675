"""What a call gave that was held to a budget, and what it read for it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Spent:
    """The result of one call under a budget.

    output: (batch, heads, query_len, value_dim) in the request's dtype. lse: (batch, heads, query_len), float32 at
    least; natural log of the sum of exponentiated scores that the output stands for, -inf in an empty row. bytes:
    (batch, kv_heads, query_len) float64, what each query read of one key head's cache, everything it chose by included.
    full: the bytes of that cache, all keys and values in 16-bit numbers. error: (batch, heads, query_len) float32:
    |output - exact| / |exact| is below it, with the budget's confidence; None where the budget is no tolerance.
    """

    output: Tensor
    lse: Tensor
    bytes: Tensor
    full: float
    error: Tensor | None = None
