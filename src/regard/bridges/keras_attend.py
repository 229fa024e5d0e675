"""One call of attention in Keras: regard's kernels on the torch backend, `keras.ops` on the others."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
import torch
from keras import ops

from regard.bridges import keras_tiles
from regard.bridges.keras_reach import Reach
from regard.bridges.keras_tiles import Asked
from regard.engine.attend import attend
from regard.spec.score import Additive, Dot

_MIXED = 0x9E3779B1  # 2^32 over the golden ratio


def output(
    query: Any, key: Any, value: Any, *, reach: Reach, vector: Any = None, dropout: float = 0.0, source: Any = None
) -> Any:
    """(batch, heads, query_len, value_dim) of query (batch, heads, query_len, dim), key (batch, kv_heads, key_len, dim)
    and value (batch, kv_heads, key_len, value_dim), as tensors of the backend.

    Scores are q · k, or, with a `vector` (dim,), vector · tanh(q + k). `source` is the SeedGenerator that `dropout`
    draws from. A query that may attend to nothing gives 0, with gradient 0.
    """
    query, key, value = _alike(query, key, value)
    seed = source.next() if dropout else None
    if 0 in (query.shape[2], key.shape[2]):
        return _nothing(query, value)
    if keras.backend.backend() == "torch" and query.device.type != "meta":  # meta: shapes being traced
        return _by_kernel(query, key, value, reach=reach, vector=vector, dropout=dropout, seed=seed)
    return keras_tiles.output(Asked(query, key, value, vector, reach, dropout, seed))


def with_weights(
    query: Any, key: Any, value: Any, *, reach: Reach, vector: Any = None, dropout: float = 0.0, source: Any = None
) -> tuple[Any, Any, Any]:
    """(output, weights, weights after dropout), the last two (batch, heads, query_len, key_len): as much memory."""
    query, key, value = _alike(query, key, value)
    seed = source.next() if dropout else None
    if key.shape[2] == 0:
        none = ops.zeros((*ops.shape(query)[:3], 0), dtype=query.dtype)
        return _nothing(query, value), none, none
    return keras_tiles.whole(Asked(query, key, value, vector, reach, dropout, seed))


def _by_kernel(query: Any, key: Any, value: Any, *, reach: Reach, vector: Any, dropout: float, seed: Any) -> Any:
    score = Dot() if vector is None else Additive(ops.convert_to_tensor(vector))
    with _seeded(seed, query):
        return attend(query, key, value, score=score, mask=reach.mask(), query_start=0, dropout=dropout)


def _seeded(seed: Any, query: Any) -> AbstractContextManager[Any]:
    """torch's own generator set by Keras's seed for one call, and put back."""
    if seed is None:
        return nullcontext()
    return _Seeded(int(seed[0]) * _MIXED + int(seed[1]), query)


class _Seeded(AbstractContextManager["_Seeded"]):
    def __init__(self, seed: int, query: Any) -> None:
        devices = [query.device] if query.device.type == "cuda" else []
        self._seed, self._kept = seed, torch.random.fork_rng(devices)

    def __enter__(self) -> _Seeded:
        self._kept.__enter__()
        torch.manual_seed(self._seed % 2**63)
        return self

    def __exit__(self, *failure: Any) -> None:
        self._kept.__exit__(*failure)


def _alike(*given: Any) -> tuple[Any, ...]:
    """As tensors of one dtype, the widest of theirs."""
    tensors = [ops.convert_to_tensor(each) for each in given]
    dtype = keras.backend.result_type(*(keras.backend.standardize_dtype(t.dtype) for t in tensors))
    return tuple(ops.cast(t, dtype) for t in tensors)


def _nothing(query: Any, value: Any) -> Any:
    return ops.zeros((*ops.shape(query)[:3], value.shape[-1]), dtype=query.dtype)
