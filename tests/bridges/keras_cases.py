"""Calls of our Keras layers, told in plain values, so that three backends and a truth can be asked alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

import regard


@dataclass(frozen=True)
class Case:
    """One layer and one call of it. `truth(inputs, weights)` says in torch what should come out, with float64 inputs
    (those of `inputs` in order) and the layer's weights in order; `empty` are the (batch, query) that see nothing."""

    layer: str
    config: dict[str, Any]
    inputs: dict[str, tuple[int, ...]]
    truth: Callable[[list[Tensor], list[Tensor]], Tensor]
    call: dict[str, Any] = field(default_factory=dict)
    listed: bool = True  # called with a list of inputs
    empty: tuple[tuple[int, int], ...] = ()

    def arrays(self) -> list[np.ndarray]:
        source = np.random.default_rng(3)
        return [source.standard_normal(shape).astype("float32") for shape in self.inputs.values()]


def bools(*rows: str) -> np.ndarray:
    """ "110" -> True, True, False; one row a batch item."""
    return np.array([[each == "1" for each in row] for row in rows])


def one_head(score: Callable[..., Any], **more: Any) -> Callable[[list[Tensor], list[Tensor]], Tensor]:
    """`regard.attend` of query, value and key; `score(query, key, weights)` gives both as compared, and the score."""

    def truth(inputs: list[Tensor], weights: list[Tensor]) -> Tensor:
        query, value, key = inputs if len(inputs) == 3 else (*inputs, inputs[1])
        query, key, kind = score(query, key, weights)
        heads = (t[:, None] for t in (query, key, value))
        return regard.attend(*heads, score=kind, query_start=0, **more)[:, 0]

    return truth


def projected(mask: regard.Mask, groups: int) -> Callable[[list[Tensor], list[Tensor]], Tensor]:
    """Four projections with biases, as Keras lays their weights: (dim, heads, size), (heads, size), ..."""

    def truth(inputs: list[Tensor], weights: list[Tensor]) -> Tensor:
        query, value = inputs[0], inputs[1]
        makers = ((query, *weights[:2]), (value, *weights[2:4]), (value, *weights[4:6]))
        heads = (torch.einsum("bnx,xhy->bhny", x, kernel) + bias[:, None] for x, kernel, bias in makers)
        out = regard.attend(*heads, mask=mask, query_start=0)
        assert weights[2].shape[1] == groups
        return torch.einsum("bhny,hyx->bnx", out, weights[6]) + weights[7]

    return truth


VALUES = bools("1101101", "0000000")  # the second item sees nothing
QUERIES = bools("11110", "11111")
PAIRS = np.random.default_rng(5).random((2, 5, 7)) < 0.6
PAIRS[0, 2] = False
SHAPES = {"query": (2, 5, 6), "value": (2, 7, 4), "key": (2, 7, 6)}


def masked(mask: np.ndarray) -> regard.Mask:
    return regard.Dense(torch.from_numpy(mask))


CASES = {
    "dot": Case(
        *("Attention", {"use_scale": True}, SHAPES),
        one_head(
            lambda q, k, w: (q * w[0], k, regard.Dot()), mask=masked((QUERIES[:, :, None] & VALUES[:, None])[:, None])
        ),
        call={"mask": [QUERIES, VALUES]},
        empty=((0, 4), *((1, n) for n in range(5))),
    ),
    "concat": Case(
        *("Attention", {"score_mode": "concat", "use_scale": True}, SHAPES),
        one_head(
            lambda q, k, w: (q * w[0], k * w[0], regard.Additive(w[1].expand(6))),
            mask=regard.Causal() & masked(VALUES[:, None, None]),
        ),
        call={"mask": [None, VALUES], "use_causal_mask": True},
        empty=tuple((1, n) for n in range(5)),
    ),
    "additive": Case(
        *("AdditiveAttention", {}, {"query": (2, 5, 6), "value": (2, 7, 6)}),
        one_head(lambda q, k, w: (q, k, regard.Additive(w[0]))),
    ),
    "bahdanau": Case(
        *("AdditiveAttention", {"units": 3}, {"query": (2, 5, 6), "value": (2, 7, 4)}),
        one_head(
            lambda q, k, w: (q @ w[1], k @ w[2] + w[3], regard.Additive(w[0])), mask=masked(VALUES[:, None, None])
        ),
        call={"mask": [None, VALUES]},
        empty=tuple((1, n) for n in range(5)),
    ),
    "heads": Case(
        *("MultiHeadAttention", {"num_heads": 4, "key_dim": 3, "value_dim": 5, "num_key_value_heads": 2}),
        {"query": (2, 5, 6), "value": (2, 7, 4)},
        projected(masked((PAIRS & QUERIES[:, :, None])[:, None]), 2),
        call={"attention_mask": PAIRS, "query_mask": QUERIES},
        listed=False,
        empty=((0, 2), (0, 4)),
    ),
    "grouped": Case(
        *("GroupedQueryAttention", {"head_dim": 4, "num_query_heads": 3, "num_key_value_heads": 1}),
        {"query": (2, 7, 6), "value": (2, 7, 6)},
        projected(regard.Causal() & masked(VALUES[:, None, None]), 1),
        call={"value_mask": VALUES, "use_causal_mask": True},
        listed=False,
        empty=tuple((1, n) for n in range(7)),
    ),
    "window": Case(
        *("MultiHeadAttention", {"num_heads": 2, "key_dim": 3, "sliding_window": 2}),
        {"query": (2, 7, 6), "value": (2, 5, 6)},
        projected(regard.Window(1, 1), 2),
        listed=False,
        empty=tuple((b, 6) for b in range(2)),  # query 6 reaches keys 5 to 7, and there are five
    ),
}
