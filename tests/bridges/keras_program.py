"""What our Keras layers give on the backend that KERAS_BACKEND names: a program, for Keras reads that when imported.

    KERAS_BACKEND=jax python tests/bridges/keras_program.py FOLDER

writes FOLDER/<backend>.npz with, for each case of `keras_cases`, way of running it and dtype, the output, and in
float32 the gradients to inputs and weights of sum(output * pull); and FOLDER/<backend>.keras, a model with each layer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

import keras
from tests.bridges.keras_cases import CASES, Case

from regard.bridges import keras as rk
from regard.bridges import keras_tiles

BACKEND = keras.backend.backend()
HALVES = ("mixed_bfloat16", "mixed_float16")
WAYS = {
    "jax": {"whole": ["compiled"], "tiles": ["compiled"]},
    "tensorflow": {"whole": ["eager"], "tiles": ["xla", "unknown lengths"]},
    "torch": {"whole": ["eager"]},
}
FEW = 40  # scores held at once, so that even these small calls are cut into tiles: 7 keys x 4 heads leave 1 query


def made(case: Case, dtype: str) -> Any:
    """The layer, built, with weights that are the same everywhere."""
    layer = getattr(rk, case.layer)(**case.config, dtype=dtype)
    shapes = list(case.inputs.values())
    layer.build(shapes) if case.listed else layer.build(*shapes)
    source = np.random.default_rng(11)
    layer.set_weights([0.5 * source.standard_normal(w.shape).astype("float32") for w in layer.weights])
    return layer


def forward(layer: Any, case: Case) -> Callable[..., Any]:
    """The layer's call as a function of its inputs, and of its weights where a backend wants them passed."""
    return lambda *tensors: layer(list(tensors), **case.call) if case.listed else layer(*tensors, **case.call)


def ways(layer: Any, case: Case, cut: str) -> dict[str, Callable[..., tuple[Any, Any]]]:
    """name -> function of arrays and a pull that gives the output and the gradients to inputs and weights."""
    found = {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}[BACKEND](layer, case)
    return {name: found[name] for name in WAYS[BACKEND][cut]}


def _jax(layer: Any, case: Case) -> dict[str, Any]:
    import jax

    def run(weights: list[Any], tensors: list[Any], pull: Any) -> Any:
        given = (tensors,) if case.listed else tuple(tensors)
        out, _ = layer.stateless_call(weights, [], *given, **case.call)
        return (out * pull).sum(), out

    both = jax.jit(jax.value_and_grad(run, argnums=(0, 1), has_aux=True))

    def compiled(*arrays: Any, pull: Any) -> Any:
        (_, out), (weights, inputs) = both([w.value for w in layer.weights], [jax.numpy.array(a) for a in arrays], pull)
        return out, [*inputs, *weights]

    return {"compiled": compiled}


def _tensorflow(layer: Any, case: Case) -> dict[str, Any]:
    import tensorflow as tf

    variables = [w.value for w in layer.weights]

    def both(tensors: Any, pull: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            out = forward(layer, case)(*tensors)
        return out, tape.gradient(out, [*tensors, *variables], pull)

    shapes = list(case.inputs.values())
    batch = [tf.TensorSpec((None, *shape[1:])) for shape in shapes]  # as `fit` traces
    lengths = [tf.TensorSpec((None, None, shape[-1])) for shape in shapes]
    pull = tf.TensorSpec((None, None, None))
    functions = {
        "eager": both,
        "xla": tf.function(both, jit_compile=True, input_signature=[batch, pull]),
        "unknown lengths": tf.function(both, input_signature=[lengths, pull]),
    }

    def called(function: Any) -> Any:
        return lambda *arrays, pull: function([tf.constant(a) for a in arrays], tf.constant(pull))

    return {name: called(function) for name, function in functions.items()}


def _torch(layer: Any, case: Case) -> dict[str, Any]:
    import torch

    def both(*arrays: Any, pull: Any) -> Any:
        leaves = [torch.tensor(a, requires_grad=True) for a in arrays]
        out = forward(layer, case)(*leaves)
        return out, torch.autograd.grad(out, [*leaves, *(w.value for w in layer.weights)], torch.tensor(pull))

    return {"eager": both}


def kept(found: dict[str, np.ndarray], name: str, out: Any, gradients: list[Any]) -> None:
    found[f"{name}/output"] = keras.ops.convert_to_numpy(out)
    for number, gradient in enumerate(gradients):
        found[f"{name}/gradient {number}"] = keras.ops.convert_to_numpy(gradient)


def outcomes() -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for name, case in CASES.items():
        layer, arrays = made(case, "float32"), case.arrays()
        shape = forward(layer, case)(*map(keras.ops.convert_to_tensor, arrays)).shape
        pull = np.random.default_rng(13).standard_normal(tuple(shape)).astype("float32")
        for number, weight in enumerate(layer.get_weights()):
            found[f"{name}/weight {number}"] = weight
        found[f"{name}/pull"] = pull
        limit = keras_tiles.LIMIT
        for cut in WAYS[BACKEND]:
            keras_tiles.LIMIT = limit if cut == "whole" else FEW
            for way, function in ways(layer, case, cut).items():
                kept(found, f"{name}/in {cut}, {way}", *function(*arrays, pull=pull))
        keras_tiles.LIMIT = limit
        for dtype in HALVES:
            half = made(case, dtype)
            out = keras.ops.cast(forward(half, case)(*map(keras.ops.convert_to_tensor, arrays)), "float32")
            found[f"{name}/{dtype}/output"] = keras.ops.convert_to_numpy(out)
    return found


def model() -> Any:
    """Every layer in one functional model, padding carried along by Keras's masks."""
    ids = keras.Input((8,), dtype="int32")
    x = keras.layers.Embedding(20, 12, mask_zero=True)(ids)
    x = rk.MultiHeadAttention(4, 3, num_key_value_heads=2, dropout=0.1, seed=1)(x, x, use_causal_mask=True)
    x = rk.GroupedQueryAttention(3, 4, 2, use_gate=True, kernel_regularizer="l2")(x, x)
    x = rk.Attention(use_scale=True)([x, x])
    x = rk.AdditiveAttention()([x, x])
    x = rk.AdditiveAttention(units=5)([x, x])
    return keras.Model(ids, keras.layers.Dense(3)(x))


def tokens() -> np.ndarray:
    ids = np.random.default_rng(17).integers(1, 20, (4, 8)).astype("int32")
    ids[1, 5:], ids[3] = 0, 0  # the last has no token at all
    return ids


def main(folder: Path) -> None:
    made_model = model()
    made_model.save(folder / f"{BACKEND}.keras")
    found = outcomes()
    found["model"] = made_model.predict(tokens(), verbose=0)
    np.savez(folder / f"{BACKEND}.npz", **found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
