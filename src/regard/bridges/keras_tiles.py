"""Attention in `keras.ops`, for backends that our kernels do not run on: all at once, or tile by tile of queries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
from keras import ops

from regard.bridges.keras_reach import Reach

# scores (for an additive score: their terms) of one batch item that are held at once, all heads together: 16 MB of
# float32. Below it nothing is cut into tiles.
LIMIT = 1 << 22
UNKNOWN = 128  # queries to a tile where lengths are not known while tracing (None in a TensorFlow graph)


class GivenSeed(keras.random.SeedGenerator):  # type: ignore[misc]
    """A seed that was drawn before: the backward pass makes a tile again, and must drop the same weights."""

    def __init__(self, state: Any) -> None:  # no state of its own, so that nothing is tracked
        self.given = state

    def next(self, ordered: bool = True) -> Any:
        return self.given


@dataclass(frozen=True)
class Asked:
    """One call. Tensors of the backend: query (batch, heads, query_len, dim), key (batch, kv_heads, key_len, dim),
    value (batch, kv_heads, key_len, value_dim), vector (dim,) for additive scores, else None."""

    query: Any
    key: Any
    value: Any
    vector: Any
    reach: Reach
    dropout: float = 0.0
    seed: Any = None  # what a SeedGenerator drew, where dropout is not 0


def whole(asked: Asked) -> tuple[Any, Any, Any]:
    """(output, weights, weights after dropout): the whole query_len x key_len array, for those who ask for it."""
    return _rows(_widened(asked), ops.arange(ops.shape(asked.query)[2], dtype="int32"), asked.query.dtype)


def output(asked: Asked) -> Any:
    """(batch, heads, query_len, value_dim); nothing larger than `LIMIT` an item arises, in training neither."""
    count = _tile_rows(asked)
    if count is None:
        return whole(asked)[0]
    wide = _widened(asked)
    # what a gradient flows to are arguments: TensorFlow's recomputation gives none to what a function closes over
    leaves = [wide.key, wide.value] + ([] if wide.vector is None else [wide.vector])
    pieces, tiles = _pieces(wide, count)

    def tile(piece: dict[str, Any]) -> Any:
        return _remade(wide, piece, asked.query.dtype)(piece["query"], *leaves)

    made = ops.map(tile, pieces)  # (tiles, batch, heads, count, value_dim)
    batch, heads, length = ops.shape(asked.query)[:3]
    joined = ops.reshape(ops.transpose(made, (1, 2, 0, 3, 4)), (batch, heads, tiles * count, asked.value.shape[-1]))
    return joined[:, :, :length]


def _remade(wide: Asked, piece: dict[str, Any], dtype: Any) -> Callable[..., Any]:
    """One tile as a function of its query and of the leaves, made anew in the backward pass."""

    def made(query: Any, key: Any, value: Any, vector: Any = None) -> Any:
        reach = replace(wide.reach, queries=piece.get("queries"), dense=piece.get("dense", wide.reach.dense))
        here = replace(wide, query=query, key=key, value=value, vector=vector, reach=reach, seed=piece.get("seed"))
        return _rows(here, piece["rows"], dtype)[0]

    remade: Callable[..., Any] = keras.remat(made)
    return remade


def _rows(wide: Asked, rows: Any, dtype: Any) -> tuple[Any, Any, Any]:
    """`whole` for the queries `rows`, whose vectors alone `wide` holds."""
    allowed = wide.reach.tile(rows, ops.shape(wide.key)[2])
    weights = _softmax(_scores(wide.query, wide.key, wide.vector), allowed)
    spent = weights
    if wide.dropout:
        drawn = keras.random.uniform(ops.shape(weights), dtype=weights.dtype, seed=GivenSeed(wide.seed))
        spent = ops.where(drawn < wide.dropout, ops.zeros_like(weights), weights / (1 - wide.dropout))
    return ops.cast(_grouped(spent, wide.value), dtype), ops.cast(weights, dtype), ops.cast(spent, dtype)


def _scores(query: Any, key: Any, vector: Any) -> Any:
    """(batch, heads, rows, key_len)"""
    if vector is None:
        return _grouped(query, ops.swapaxes(key, -1, -2))
    heads = query.shape[1]
    key = key if key.shape[1] == heads else ops.repeat(key, heads // key.shape[1], axis=1)
    return ops.sum(ops.tanh(query[..., :, None, :] + key[..., None, :, :]) * vector, axis=-1)


def _grouped(left: Any, right: Any) -> Any:
    """left (batch, heads, rows, a) times right (batch, kv_heads, a, b), no head of `right` repeated in memory."""
    heads, kv_heads = left.shape[1], right.shape[1]
    if heads == kv_heads:
        return ops.matmul(left, right)
    batch, _, rows, inner = ops.shape(left)
    together = ops.reshape(left, (batch, kv_heads, heads // kv_heads * rows, inner))
    return ops.reshape(ops.matmul(together, right), (batch, heads, rows, ops.shape(right)[-1]))


def _softmax(scores: Any, allowed: Any) -> Any:
    """Softmax over the allowed keys; a row without any is 0, and so is its gradient."""
    if allowed is None:
        return ops.softmax(scores, axis=-1)
    # a finite number, not -inf: an empty row then has no NaN to spread in the backward pass
    masked = ops.where(allowed, scores, ops.cast(-3.0e38, scores.dtype))
    top = ops.stop_gradient(ops.max(masked, axis=-1, keepdims=True))
    parts = ops.where(allowed, ops.exp(masked - top), ops.zeros_like(masked))
    total = ops.sum(parts, axis=-1, keepdims=True)
    return parts / ops.where(total > 0, total, ops.ones_like(total))


def _widened(asked: Asked) -> Asked:
    """In float32 at least, half types being summed so; 0 for masked keys and values, for 0 times NaN is NaN."""
    dtype = "float64" if keras.backend.standardize_dtype(asked.query.dtype) == "float64" else "float32"
    query, key, value = (ops.cast(t, dtype) for t in (asked.query, asked.key, asked.value))
    if asked.reach.keys is not None:
        real = asked.reach.keys[:, None, :, None]
        key, value = (ops.where(real, t, ops.zeros_like(t)) for t in (key, value))
    vector = None if asked.vector is None else ops.cast(asked.vector, dtype)
    return replace(asked, query=query, key=key, value=value, vector=vector)


def _tile_rows(asked: Asked) -> int | None:
    """Queries to a tile, or None where all of them fit at once."""
    _, heads, queries, dim = asked.query.shape
    keys = asked.key.shape[2]
    if queries is None or keys is None:
        return UNKNOWN
    one = heads * keys * (1 if asked.vector is None else dim)
    return None if queries * one <= LIMIT else max(1, LIMIT // one)


def _pieces(wide: Asked, count: int) -> tuple[dict[str, Any], Any]:
    """What differs from tile to tile, each with the tiles in front, and how many there are; padded to whole tiles."""
    length = ops.shape(wide.query)[2]
    tiles = (length + count - 1) // count
    every = ops.reshape(ops.arange(tiles * count, dtype="int32"), (tiles, count))
    pieces = {"query": _cut(wide.query, 2, count, tiles), "rows": every}
    reach = wide.reach
    if reach.queries is not None:
        pieces["queries"] = _cut(reach.queries, 1, count, tiles)
    if reach.dense is not None and reach.dense.shape[2] != 1:
        pieces["dense"] = _cut(reach.dense, 2, count, tiles)
    if wide.dropout:
        # a seed is two numbers; the second counts calls, so that tiles go by the first
        first = ops.cast(wide.seed[0], "int64" if keras.backend.backend() == "tensorflow" else wide.seed.dtype)
        steps = ops.cast(ops.arange(tiles, dtype="int32") * 7919, first.dtype)
        both = ops.stack([first + steps, ops.zeros_like(steps) + ops.cast(wide.seed[1], first.dtype)], axis=-1)
        pieces["seed"] = ops.cast(both, wide.seed.dtype)
    return pieces, tiles


def _cut(tensor: Any, axis: int, count: int, tiles: Any) -> Any:
    """(tiles, ..., count, ...): `tensor` padded along `axis` and cut into tiles of `count`."""
    width = [[0, 0]] * len(tensor.shape)
    width[axis] = [0, count - 1]
    padded = ops.pad(tensor, width)
    padded = padded[(slice(None),) * axis + (slice(0, tiles * count),)]
    sizes = list(ops.shape(tensor))
    split = ops.reshape(padded, (*sizes[:axis], tiles, count, *sizes[axis + 1 :]))
    return ops.moveaxis(split, axis, 0)
