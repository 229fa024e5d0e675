"""Keras layers that are called with a list of tensors: `Attention` (dot products) and `AdditiveAttention`."""

from __future__ import annotations

from math import prod
from typing import Any

import keras
from keras import ops

from regard.bridges import keras_attend
from regard.bridges.keras_checks import check_count, check_dropout
from regard.bridges.keras_reach import Reach
from regard.spec.errors import SpecError
from regard.spec.value import described

_MODES = ("dot", "concat")


@keras.saving.register_keras_serializable(package="regard")
class Attention(keras.layers.Layer):  # type: ignore[misc]
    """Scores q · k (Luong et al. 2015), as `keras.layers.Attention`: arguments, call, weights and shapes are its own.

    Called with `[query, value]` or `[query, value, key]`: query (batch, query_len, dim), value (batch, key_len,
    value_dim), key (batch, key_len, dim), by default the value; further axes between batch and length are batch axes.
    Gives (batch, query_len, value_dim), and with `return_attention_scores=True` also the weights after dropout,
    (batch, query_len, key_len). `mask=[query_mask, value_mask]`, each (batch, length) and True where there is a token:
    a masked value is not attended to, a masked query gives 0. `use_causal_mask` keeps query i to the keys 0 to i.

    `use_scale` multiplies the scores by a number that is trained; `score_mode="concat"` scores c · sum(tanh(s (q + k)))
    with trained numbers c and s.

    Where we depart: a query that may attend to nothing gives 0 with gradient 0 (Keras: a mean of what is masked); what
    stands in a masked value does not count even if it is NaN; half types are summed in float32; no query_len x key_len
    array arises unless it is asked for.

    Raises `SpecError`, a ValueError, for anything but such a list, and for numbers out of range.
    """

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = "dot",
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if score_mode not in _MODES:
            raise SpecError(
                f"Invalid value for argument score_mode. Expected one of {{'dot', 'concat'}}: {described(score_mode)}"
            )
        self.supports_masking = True
        self.use_scale, self.score_mode, self.seed = use_scale, score_mode, seed
        self.dropout = check_dropout(type(self).__name__, dropout)
        if self.dropout:
            self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape: Any) -> None:
        self._check(input_shape)
        self.scale = self._number("scale") if self.use_scale else None
        self.concat_score_weight = self._number("concat_score_weight") if self.score_mode == "concat" else None

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: bool = False,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        self._check(inputs, mask)
        query, value = inputs[0], inputs[1]
        query, key, vector = self._compared(query, inputs[2] if len(inputs) > 2 else value)
        keys = None if not mask or mask[1] is None else _flat(_bool(mask[1]))
        heads = tuple(_one_head(each) for each in (query, key, value))
        more: dict[str, Any] = {
            "reach": Reach(causal=bool(use_causal_mask), keys=keys),
            "vector": vector,
            "dropout": self.dropout if training else 0.0,
            "source": getattr(self, "seed_generator", None),
        }
        weights = None
        if return_attention_scores:
            out, _, weights = keras_attend.with_weights(*heads, **more)
            weights = ops.reshape(weights, (*ops.shape(query)[:-1], ops.shape(value)[-2]))
        else:
            out = keras_attend.output(*heads, **more)
        out = ops.reshape(out, (*ops.shape(query)[:-1], value.shape[-1]))
        if mask and mask[0] is not None:
            out = ops.where(ops.expand_dims(_bool(mask[0]), -1), out, ops.zeros_like(out))
        return (out, weights) if return_attention_scores else out

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The query's mask: what comes out is as long as the query."""
        self._check(inputs, mask)
        return None if mask is None or mask[0] is None else ops.convert_to_tensor(mask[0])

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[0][:-1], input_shape[1][-1])

    def compute_output_spec(
        self,
        inputs: Any,
        mask: Any = None,
        training: bool = False,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        self._check(inputs, mask)
        query, value = tuple(inputs[0].shape), tuple(inputs[1].shape)
        out = keras.KerasTensor((*query[:-1], value[-1]), dtype=self.compute_dtype)
        if not return_attention_scores:
            return out
        return out, keras.KerasTensor((*query[:-1], value[-2]), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        own = {
            "use_scale": self.use_scale,
            "score_mode": self.score_mode,
            "dropout": self.dropout,
            "seed": self.seed,
        }
        return {**super().get_config(), **own}

    def _compared(self, query: Any, key: Any) -> tuple[Any, Any, Any]:
        """Query and key as they are compared, and the vector of an additive score or None."""
        if self.score_mode == "dot":
            return (query if self.scale is None else query * ops.cast(self.scale, query.dtype)), key, None
        if self.scale is not None:
            query, key = (each * ops.cast(self.scale, each.dtype) for each in (query, key))
        return (
            query,
            key,
            ops.ones((query.shape[-1],), dtype=query.dtype) * ops.cast(self.concat_score_weight, query.dtype),
        )

    def _number(self, name: str) -> Any:
        return self.add_weight(name=name, shape=(), initializer="ones", dtype=self.dtype, trainable=True)

    def _check(self, inputs: Any, mask: Any = None) -> None:
        name = type(self).__name__
        if not isinstance(inputs, list):
            raise SpecError(
                f"{name} must be called on a list, [query, value] or [query, value, key], got {described(inputs)}"
            )
        if len(inputs) not in (2, 3):
            raise SpecError(
                f"{name} takes a list of length 2 or 3, [query, value] or [query, value, key]: {len(inputs)}"
            )
        if mask is not None and not isinstance(mask, list):
            raise SpecError(f"{name}: the layer mask must be a list, [query_mask, value_mask], got {described(mask)}")
        if mask is not None and len(mask) not in (2, 3):
            raise SpecError(f"{name} takes a mask of length 2 or 3, [query_mask, value_mask], got {len(mask)}")


@keras.saving.register_keras_serializable(package="regard")
class AdditiveAttention(Attention):
    """Scores v · tanh(q + k), as `keras.layers.AdditiveAttention`; with `units`, v · tanh(W_q q + W_k k + b).

    The second is what Bahdanau et al. 2014 (arXiv 1409.0473, appendix A.1.2) write, with W_q (query_dim, units), W_k
    (key_dim, units), b and v (units,) trained here; query and key may then be of different sizes. Without `units` both
    are taken as projected already, as in Keras, and are of one size; v is `scale`, or ones with `use_scale=False`.

    Memory is linear in the lengths. Calls, masks and where we depart: see `Attention`.
    """

    def __init__(self, use_scale: bool = True, dropout: float = 0.0, units: int | None = None, **kwargs: Any) -> None:
        super().__init__(use_scale=use_scale, dropout=dropout, **kwargs)
        self.units = None if units is None else check_count("AdditiveAttention", units=units)

    def build(self, input_shape: Any) -> None:
        self._check(input_shape)
        query, key = input_shape[0], input_shape[2] if len(input_shape) > 2 else input_shape[1]
        if self.units is not None:
            self.query_dense = keras.layers.Dense(self.units, use_bias=False, name="query", dtype=self.dtype_policy)
            self.key_dense = keras.layers.Dense(self.units, name="key", dtype=self.dtype_policy)
            self.query_dense.build(query)
            self.key_dense.build(key)
        elif None not in (query[-1], key[-1]) and query[-1] != key[-1]:
            raise SpecError(
                f"AdditiveAttention adds query and key, of sizes {query[-1]} and {key[-1]}: units= projects both to one"
            )
        self.scale = None
        if self.use_scale:
            size = query[-1] if self.units is None else self.units
            self.scale = self.add_weight(
                name="scale", shape=(size,), initializer="glorot_uniform", dtype=self.dtype, trainable=True
            )

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "units": self.units}
        del config["score_mode"]
        return config

    def _compared(self, query: Any, key: Any) -> tuple[Any, Any, Any]:
        if self.units is not None:
            query, key = self.query_dense(query), self.key_dense(key)
        ones = ops.ones((query.shape[-1],), dtype=query.dtype)
        return query, key, ones if self.scale is None else ops.cast(self.scale, query.dtype)


def _one_head(tensor: Any) -> Any:
    """(batch, ..., length, size) -> (all batch axes, 1, length, size)."""
    *lead, length, size = ops.shape(tensor)
    return ops.reshape(tensor, (prod(lead), 1, length, size))


def _flat(mask: Any) -> Any:
    """(batch, ..., length) -> (all batch axes, length)."""
    *lead, length = ops.shape(mask)
    return ops.reshape(mask, (prod(lead), length))


def _bool(mask: Any) -> Any:
    return ops.cast(ops.convert_to_tensor(mask), "bool")
