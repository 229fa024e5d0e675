"""Multi-head attention as Keras layers; heads may share keys."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from regard.bridges import keras_attend
from regard.bridges.keras_axes import Axes
from regard.bridges.keras_checks import (
    check_alike,
    check_count,
    check_dropout,
    check_flash,
    check_groups,
    check_masks_go_along,
    numbers,
)
from regard.bridges.keras_reach import Reach
from regard.bridges.keras_rules import Rules


@keras.saving.register_keras_serializable(package="regard")
class MultiHeadAttention(keras.layers.Layer):  # type: ignore[misc]
    """Project, split into heads, attend, join, project (Vaswani et al. 2017), as `keras.layers.MultiHeadAttention`.

    Arguments, call, names and shapes of the weights are Keras's, so that `set_weights(theirs.get_weights())` gives the
    same layer; `num_key_value_heads` (by default `num_heads`) is new: heads share keys and values in groups (Ainslie
    et al. 2023, arXiv 2305.13245).

    Called with query (batch, query_len, dim), value (batch, key_len, ...) and key, by default the value. Gives
    (batch, query_len, dim), or `output_shape` in place of dim; with `return_attention_scores=True` also the weights
    before dropout, (batch, heads, query_len, key_len). `attention_mask` (batch, query_len, key_len), or with a head
    axis, is True (1) where a query may attend; `query_mask`, `value_mask`, `key_mask` (batch, length) are taken from
    the inputs where Keras carries them along. `use_causal_mask` keeps query i to the keys 0 to i, `sliding_window` to
    those less than so many away. `attention_axes`: which axes of inputs with more than one are attended over.

    Where we depart: the heads of a query that may attend to nothing give 0 with gradient 0, and so the layer the output
    projection's bias; half types are summed in float32; no query_len x key_len array arises unless it is asked for;
    `flash_attention=True` is refused, for the kernel is the planner's choice (see `regard.plan`).

    Raises `SpecError` or `ShapeError`, both ValueErrors, for arguments that do not fit.
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: Any = None,
        attention_axes: Any = None,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        num_key_value_heads: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        name = type(self).__name__
        self.num_heads, self.key_dim = check_count(name, num_heads=num_heads), check_count(name, key_dim=key_dim)
        self.value_dim = key_dim if value_dim is None else check_count(name, value_dim=value_dim)
        self.num_key_value_heads = check_groups(name, num_heads, num_key_value_heads)
        self._sliding_window = None if sliding_window is None else check_count(name, sliding_window=sliding_window)
        self.dropout = check_dropout(name, dropout)
        check_flash(name, flash_attention)
        self.use_bias, self.use_gate, self.seed = bool(use_bias), bool(use_gate), seed
        self._output_shape = numbers("output_shape", output_shape)
        self.attention_axes = numbers("attention_axes", attention_axes)
        self._rules = Rules.of(
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )
        if self.dropout:
            self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> None:
        key_shape = value_shape if key_shape is None else key_shape
        check_alike(type(self).__name__, value_shape, key_shape)
        self._axes = Axes.of(len(query_shape), self.attention_axes)
        more: dict[str, Any] = {"use_bias": self.use_bias, "dtype": self.dtype_policy}
        groups = self.num_key_value_heads
        # in the order in which Keras's layer makes them: `get_weights` and `set_weights` go by it
        self._query_dense = self._rules.split(query_shape, self.num_heads, self.key_dim, name="query", **more)
        self._key_dense = self._rules.split(key_shape, groups, self.key_dim, name="key", **more)
        if self.use_gate:
            gate = {"name": "gate", "activation": "sigmoid", **more}
            self._gate_dense = self._rules.split(query_shape, self.num_heads, self.value_dim, **gate)
        self._value_dense = self._rules.split(value_shape, groups, self.value_dim, name="value", **more)
        made = tuple(query_shape[-1:]) if self._output_shape is None else self._output_shape
        joined = {"name": "attention_output", **more}
        self._output_dense = self._rules.join(query_shape, self.num_heads, self.value_dim, made, **joined)

    def call(
        self,
        query: Any,
        value: Any,
        key: Any = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ) -> Any:
        key = value if key is None else key
        queries = self._axes.heads_first(self._query_dense(query)) * self.key_dim**-0.5
        keys, values = (
            self._axes.heads_first(made(given)) for made, given in ((self._key_dense, key), (self._value_dense, value))
        )
        more: dict[str, Any] = {
            "reach": self._reach(
                (query, value, key), (query_mask, value_mask, key_mask), attention_mask, bool(use_causal_mask)
            ),
            "dropout": self.dropout if training else 0.0,
            "source": getattr(self, "seed_generator", None),
        }
        if not return_attention_scores:
            return self._joined(keras_attend.output(queries, keys, values, **more), query)
        out, weights, _ = keras_attend.with_weights(queries, keys, values, **more)
        return self._joined(out, query), self._axes.weights(weights, query, key)

    def compute_output_shape(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> Any:
        check_alike(type(self).__name__, value_shape, value_shape if key_shape is None else key_shape)
        made = tuple(query_shape[-1:]) if self._output_shape is None else self._output_shape
        return (*query_shape[:-1], *made)

    def compute_output_spec(
        self,
        query: Any,
        value: Any,
        key: Any = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ) -> Any:
        keys = value.shape if key is None else key.shape
        shape = self.compute_output_shape(query.shape, value.shape, keys)
        out = keras.KerasTensor(shape, dtype=self.compute_dtype)
        if not return_attention_scores:
            return out
        axes = Axes.of(len(query.shape), self.attention_axes)
        lead = (query.shape[axis] for axis in (0, *axes.free))
        ends = (shape[axis] for shape in (query.shape, keys) for axis in axes.attended)
        return out, keras.KerasTensor((*lead, self.num_heads, *ends), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        names = ("num_heads", "key_dim", "value_dim", "num_key_value_heads", "dropout", "use_bias", "use_gate")
        own = {name: getattr(self, name) for name in (*names, "attention_axes", "sliding_window", "seed")}
        return {**super().get_config(), **own, "output_shape": self._output_shape, **self._rules.config()}

    @property
    def sliding_window(self) -> int | None:
        """How many keys on either side a query reaches, its own counted; None for all."""
        return self._sliding_window

    @property
    def query_dense(self) -> Any:
        """The query's projection, a `keras.layers.EinsumDense`."""
        return self._query_dense

    @property
    def key_dense(self) -> Any:
        """The key's projection."""
        return self._key_dense

    @property
    def value_dense(self) -> Any:
        """The value's projection."""
        return self._value_dense

    @property
    def output_dense(self) -> Any:
        """The projection of the joined heads."""
        return self._output_dense

    def _reach(self, inputs: Any, masks: Any, attention_mask: Any, causal: bool) -> Reach:
        """`inputs` and `masks`: of query, value and key."""
        named = zip(("query_mask", "value_mask", "key_mask"), masks, inputs, strict=True)
        queries, *real = (None if mask is None else self._axes.tokens(name, mask, like) for name, mask, like in named)
        real = [mask for mask in real if mask is not None]
        if causal or self.sliding_window is not None:
            check_masks_go_along(self._axes.attended)
        return Reach(
            causal=causal,
            window=self.sliding_window,
            queries=queries,
            keys=ops.logical_and(real[0], real[-1]) if real else None,
            dense=None if attention_mask is None else self._axes.pairs(attention_mask, inputs[0], inputs[2]),
        )

    def _joined(self, out: Any, query: Any) -> Any:
        """Heads back in their place, through the gate and the output projection."""
        laid = self._axes.heads_last(out, query)
        return self._output_dense(laid * self._gate_dense(query) if self.use_gate else laid)


@keras.saving.register_keras_serializable(package="regard")
class GroupedQueryAttention(MultiHeadAttention):
    """`MultiHeadAttention` with heads that share keys, called and configured as `keras.layers.GroupedQueryAttention`.

    `num_query_heads` heads of size `head_dim`, in `num_key_value_heads` groups with keys and values of their own
    (Ainslie et al. 2023, arXiv 2305.13245). Keys and values are not repeated in memory.
    """

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            check_count("GroupedQueryAttention", num_query_heads=num_query_heads),
            check_count("GroupedQueryAttention", head_dim=head_dim),
            dropout=dropout,
            use_bias=use_bias,
            sliding_window=sliding_window,
            flash_attention=flash_attention,
            num_key_value_heads=num_key_value_heads,
            **kwargs,
        )
        self.head_dim, self.num_query_heads = head_dim, num_query_heads

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        for name in ("num_heads", "key_dim", "value_dim", "output_shape", "attention_axes"):
            del config[name]
        return {"head_dim": self.head_dim, "num_query_heads": self.num_query_heads, **config}
