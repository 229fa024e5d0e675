"""Small facts about our Keras layers on the backend that KERAS_BACKEND names, as one JSON object."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from regard.bridges import keras as rk
from regard.bridges import keras_attend, keras_tiles
from regard.bridges.keras_reach import Reach
from regard.spec.errors import RegardError

BACKEND = keras.backend.backend()
X, Y = np.random.default_rng(1).standard_normal((2, 2, 6, 4)).astype("float32")
REFUSED: dict[str, Callable[[], Any]] = {
    "flash": lambda: rk.MultiHeadAttention(2, 2, flash_attention=True),
    "groups": lambda: rk.MultiHeadAttention(4, 2, num_key_value_heads=3),
    "dropout": lambda: rk.Attention(dropout=1.0),
    "units": lambda: rk.AdditiveAttention(units=0),
    "sizes": lambda: rk.AdditiveAttention()([X, X[..., :3]]),
    "list": lambda: rk.Attention()(X),
    "axes": lambda: rk.MultiHeadAttention(2, 2, attention_axes=3)(X, X),
    "two axes": lambda: rk.MultiHeadAttention(2, 2)(X[None], X[None], use_causal_mask=True),
    "mask": lambda: rk.MultiHeadAttention(2, 2)(X, X, attention_mask=np.ones((2,))),
    "lengths": lambda: rk.MultiHeadAttention(2, 2)(X, X, X[:, :3]),
    "tokens": lambda: rk.MultiHeadAttention(2, 2)(X, X, value_mask=np.ones((2, 6, 1))),
}


def refusal(call: Callable[[], Any]) -> str:
    try:
        call()
    except RegardError as error:
        return str(error)
    return "let through"


def dropped(cut: str) -> dict[str, Any]:
    """Output and the gradient to the values under dropout: the output is linear in them, so that (gradient · values) is
    the output's sum if the backward pass drops what the forward pass dropped."""
    limit, keras_tiles.LIMIT = keras_tiles.LIMIT, keras_tiles.LIMIT if cut == "whole" else 20
    query, key, value = (
        ops.convert_to_tensor(np.random.default_rng(n).standard_normal((2, 3, 40, 4))) for n in range(3)
    )
    value = ops.cast(ops.absolute(value) + 1, "float32")
    query, key = ops.cast(query, "float32"), ops.cast(key, "float32")

    def total(value: Any) -> Any:
        source = keras.random.SeedGenerator(5)
        return ops.sum(keras_attend.output(query, key, value, reach=Reach(), dropout=0.5, source=source))

    amount, gradient = _slope(total, value)
    plain = ops.sum(keras_attend.output(query, key, value, reach=Reach()))
    again = total(value)
    keras_tiles.LIMIT = limit
    inner = ops.sum(gradient * value)
    return {
        name: float(ops.convert_to_numpy(n))
        for name, n in (("sum", amount), ("again", again), ("through the gradient", inner), ("without dropout", plain))
    }


def _slope(function: Callable[[Any], Any], at: Any) -> tuple[Any, Any]:
    if BACKEND == "jax":
        import jax

        return jax.value_and_grad(function)(at)
    if BACKEND == "torch":
        leaf = at.detach().requires_grad_()
        out = function(leaf)
        out.backward()
        return out.detach(), leaf.grad
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(at)
        out = function(at)
    return out, tape.gradient(out, at)


def configs() -> dict[str, bool]:
    """Whether a layer made from another's config has the same config."""
    made = {
        "bahdanau": rk.AdditiveAttention(units=5, dropout=0.1, seed=4, use_scale=False),
        "heads": rk.MultiHeadAttention(
            4, 3, 5, num_key_value_heads=2, output_shape=7, attention_axes=(1,), use_gate=True
        ),
        "grouped": rk.GroupedQueryAttention(3, 4, 2, kernel_initializer="zeros", sliding_window=3, seed=2),
    }
    return {
        name: type(each).from_config(each.get_config()).get_config() == each.get_config() for name, each in made.items()
    }


def weights_move() -> float:
    """How far Keras's own layer and ours are apart with the same weights, in the order of `get_weights`."""
    ours, theirs = rk.MultiHeadAttention(3, 4, use_gate=True), keras.layers.MultiHeadAttention(3, 4, use_gate=True)
    ours(X, Y), theirs(X, Y)
    ours.set_weights(theirs.get_weights())
    return float(ops.convert_to_numpy(ops.max(ops.absolute(ours(X, Y) - theirs(X, Y)))))


def masks_go_along() -> list[bool]:
    """The query's mask comes out again, and padding in the values is not looked at."""
    ids = np.array([[1, 2, 0], [3, 0, 0]])
    x = keras.layers.Embedding(5, 4, mask_zero=True)(ids)
    mask = ops.convert_to_numpy(keras.layers.Masking().compute_mask(ops.cast(ids, "float32")[..., None]))
    layer = rk.MultiHeadAttention(2, 3)
    explicit = layer(ops.convert_to_numpy(x), ops.convert_to_numpy(x), query_mask=mask, value_mask=mask)
    same = np.allclose(ops.convert_to_numpy(layer(x, x)), ops.convert_to_numpy(explicit), atol=1e-6)
    pooled = keras.layers.GlobalAveragePooling1D()  # takes the mean over what the mask leaves
    carried = np.allclose(
        ops.convert_to_numpy(pooled(layer(x, x))), ops.convert_to_numpy(pooled(explicit, mask=mask)), atol=1e-6
    )
    return [bool(same), bool(carried)]


class Nested(keras.layers.Layer):
    """A layer whose shapes Keras finds by tracing its call."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = rk.MultiHeadAttention(2, 3, dropout=0.2)

    def call(self, x: Any, training: bool | None = None) -> Any:
        return self.attention(x, x, use_causal_mask=True, training=training)


def learns() -> list[float]:
    """The loss before and after a few epochs of `fit`, through a layer whose shapes are traced."""
    ids = keras.Input((6, 4))
    model = keras.Model(ids, keras.layers.Dense(4)(Nested()(ids)))
    model.compile("adam", "mse")
    before = model.evaluate(X, Y, verbose=0)
    model.fit(X, Y, epochs=30, verbose=0)
    return [before, model.evaluate(X, Y, verbose=0)]


def padding_that_was_never_filled() -> bool:
    """NaN in masked keys and values leaves no trace."""
    value = X.copy()
    value[:, 4:] = np.nan
    real = np.arange(6) < 4
    out = rk.Attention()([X, value], mask=[None, np.stack([real, real])])
    return bool(np.isfinite(ops.convert_to_numpy(out)).all())


def lengths_of_nothing() -> list[list[int]]:
    layer = rk.Attention()
    none = X[:, :0]
    return [list(layer([a, b]).shape) for a, b in ((none, X), (X, none))]


def main() -> None:
    facts = {
        "refused": {name: refusal(call) for name, call in REFUSED.items()},
        "dropped": {cut: dropped(cut) for cut in ("whole", "tiles")},
        "configs": configs(),
        "weights": weights_move(),
        "masks": masks_go_along(),
        "learns": learns(),
        "padding": padding_that_was_never_filled(),
        "nothing": lengths_of_nothing(),
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
