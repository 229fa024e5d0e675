"""Additive scores, v · tanh(q + k): `regard.attend(score=Additive(v))` against Keras's AdditiveAttention.

Keras runs on its torch backend, or on TensorFlow with KERAS_BACKEND=tensorflow (figures then go to
additive-tensorflow.json). Both are given q and k already projected, and one vector. "Plain torch" is the formula
written down as Keras writes it.

Goals: twice as fast as Keras at 4 x 512 x 512 x 64; a backward pass of at most 3 times the forward pass; at most 80 MB
beyond inputs and results at 4 x 2,048 x 2,048 x 64.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import torch
from torch import Tensor

os.environ.setdefault("KERAS_BACKEND", "torch")
try:
    import keras
except ImportError:
    sys.exit("this benchmark needs keras: make an environment from benchmarks/requirements.txt (benchmarks/README.md)")

import regard
from benchmarks import memory, record, truth
from benchmarks.harness import SMOKE, Case, Goal, Report, Results, run

BACKEND = os.environ["KERAS_BACKEND"]
REGARD, KERAS, PLAIN = "regard.attend", f"Keras ({BACKEND})", "plain torch"
FORWARD, BACKWARD = "regard.attend, forward", "regard.attend, backward"
Attention = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]  # query, key, value, vector


def ours(query: Tensor, key: Tensor, value: Tensor, vector: Tensor) -> Tensor:
    return regard.attend(query, key, value, score=regard.Additive(vector))


def plain(query: Tensor, key: Tensor, value: Tensor, vector: Tensor) -> Tensor:
    scores = (vector * torch.tanh(query[:, :, None] + key[:, None])).sum(-1)
    return scores.softmax(-1) @ value


def inputs(batch: int, length: int, dim: int) -> tuple[Tensor, ...]:
    """query, key, value (batch, length, dim), vector (dim,), and the gradient that arrives at the output."""
    made = torch.Generator().manual_seed(length)
    query, key, value, pull = (torch.randn(batch, length, dim, generator=made) for _ in range(4))
    return query, key, value, torch.randn(dim, generator=made), pull


def case(*, batch: int, length: int, dim: int, gradient: bool) -> Case:
    """Every peer on one set of inputs: forward alone, or forward and backward to q, k, v and the vector."""
    *leaves, pull = inputs(batch, length, dim)
    peers = {
        REGARD: _torch_peer(ours, leaves, pull, gradient),
        KERAS: _keras_peer(leaves, pull, gradient),
        PLAIN: _torch_peer(plain, leaves, pull, gradient),
    }
    name = f"{_sizes(batch, length, dim)}, {'forward and backward' if gradient else 'forward'}"
    return Case(name=name, peers=peers, against=KERAS, truth=_truth(leaves, pull, gradient), tolerance=2e-5)


def passes(*, batch: int, length: int, dim: int) -> Case:
    """The two passes of regard apart: the forward that keeps what a gradient needs, and the backward alone."""
    *leaves, pull = inputs(batch, length, dim)
    for leaf in leaves:
        leaf.requires_grad_()
    query, key, value, vector = leaves
    kept = ours(query, key, value, vector)

    def backward() -> Results:
        torch.autograd.grad(kept, leaves, pull, retain_graph=True)  # gated in `case(gradient=True)`
        return (kept,)

    peers = {FORWARD: lambda: (ours(query, key, value, vector),), BACKWARD: backward}
    name = f"{_sizes(batch, length, dim)}, the passes apart"
    return Case(name=name, peers=peers, against=FORWARD, truth=_truth(leaves, pull, False), tolerance=2e-5)


def _sizes(batch: int, length: int, dim: int) -> str:
    return f"{batch} x {length:,} x {length:,} x {dim}"


def _truth(leaves: list[Tensor], pull: Tensor, gradient: bool) -> Callable[[], Results]:
    def formula(query: Tensor, key: Tensor, value: Tensor, vector: Tensor) -> Tensor:
        heads = (t[:, None] for t in (query, key, value))
        return truth.attention(*heads, scores=truth.additive(vector))[:, 0]

    def expected() -> Results:
        wide = truth.wide(*leaves)
        if gradient:
            return truth.with_gradients(formula, wide, pull.double())
        with torch.no_grad():
            return (formula(*wide),)

    return expected


def _torch_peer(attention: Attention, leaves: list[Tensor], pull: Tensor, gradient: bool) -> Callable[[], Results]:
    query, key, value, vector = own = [leaf.detach().clone().requires_grad_(gradient) for leaf in leaves]

    def call() -> Results:
        with torch.set_grad_enabled(gradient):
            output = attention(query, key, value, vector)
        return (output, *torch.autograd.grad(output, own, pull)) if gradient else (output,)

    return call


def _keras_peer(leaves: list[Tensor], pull: Tensor, gradient: bool) -> Callable[[], Results]:
    layer = keras.layers.AdditiveAttention()
    layer.build([tuple(leaves[0].shape)] * 3)
    layer.scale.assign(leaves[3].detach().numpy())
    if BACKEND == "tensorflow":
        return _tensorflow_peer(layer, leaves, pull, gradient)

    query, key, value = own = [leaf.detach().clone().requires_grad_(gradient) for leaf in leaves[:3]]

    def call() -> Results:
        with torch.set_grad_enabled(gradient):
            output = layer([query, value, key])
        return (output, *torch.autograd.grad(output, [*own, layer.scale.value], pull)) if gradient else (output,)

    return call


def _tensorflow_peer(
    layer: keras.layers.Layer, leaves: list[Tensor], pull: Tensor, gradient: bool
) -> Callable[[], Results]:
    import tensorflow as tf

    query, key, value = (tf.constant(leaf.detach().numpy()) for leaf in leaves[:3])
    arriving = tf.constant(pull.numpy())

    @tf.function  # compiled to a graph, as Keras itself runs a layer inside fit and predict
    def both() -> list[tf.Tensor]:
        if not gradient:
            return [layer([query, value, key])]
        with tf.GradientTape() as tape:
            tape.watch([query, key, value])
            output = layer([query, value, key])
        return [output, *tape.gradient(output, [query, key, value, layer.scale.value], arriving)]

    return lambda: tuple(torch.from_numpy(t.numpy()) for t in both())


def main() -> int:
    rounds, folder = record.start(__doc__)
    report = Report("additive" if BACKEND == "torch" else f"additive-{BACKEND}")
    small, middle = {"batch": 4, "length": 64, "dim": 64}, {"batch": 4, "length": 512, "dim": 64}
    large = {"batch": 4, "length": 2048, "dim": 64}
    for gradient in (False, True):
        timed = case(**middle, gradient=gradient)
        report.cases.append(run(timed, rounds))
        report.goals.append(Goal(f"time at {timed.name}, of Keras's", report.ratio(timed.name, REGARD), 0.5))
    apart = passes(**middle)
    report.cases.append(run(apart, rounds))
    report.goals.append(Goal(f"backward of forward at {_sizes(**middle)}", report.ratio(apart.name, BACKWARD), 3.0))
    for gradient in (False, True):
        name = f"{_sizes(**large)}, {'forward and backward' if gradient else 'forward'}"
        options = {"small": {**small, "gradient": gradient}, "real": {**large, "gradient": gradient}}
        peers = (REGARD,) if rounds is SMOKE else (REGARD, KERAS)
        memory.job(report.memory, name, "additive", "case", peers=peers, **options)
        report.goals.append(
            Goal(f"beyond inputs and results at {name}", report.extra_bytes(name, REGARD) / 1e6, 80.0, "MB")
        )
    return record.finish(report, rounds, folder)


if __name__ == "__main__":
    sys.exit(main())
