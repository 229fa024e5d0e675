"""The request: defaults, what it derives, and every refusal with its remedy."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from regard.spec import (
    Additive,
    ALiBi,
    Causal,
    Dense,
    Dot,
    General,
    MaskError,
    Padding,
    Place,
    Request,
    ScaledDot,
    ShapeError,
    SinkLogits,
    SpecError,
    TensorBias,
    request,
)


def floats(*shape: int, **options: Any) -> Tensor:
    return torch.ones(shape, **options)


def inputs(kv_heads: int = 3, **options: Any) -> tuple[Tensor, Tensor, Tensor]:
    return floats(2, 6, 5, 11, **options), floats(2, kv_heads, 7, 11, **options), floats(2, kv_heads, 7, 13, **options)


def test_defaults() -> None:
    query, key, value = inputs()
    made = request(query, key, value)
    assert made.query is query
    assert made.key is key
    assert made.value is value
    assert made.score == ScaledDot()
    assert made.mask is None
    assert made.biases == ()
    assert made.sink is None
    assert made.dropout == 0.0
    assert made.place == Place(2, 6, 5, 7, 2, torch.device("cpu"))  # the last query sits on the last key
    assert made.groups == 2
    assert made.output_shape == (2, 6, 5, 13)


@pytest.mark.parametrize(("given", "start"), [(None, 2), (0, 0), (-4, -4), (90, 90)])
def test_query_start(given: int | None, start: int) -> None:
    assert request(*inputs(), query_start=given).place.query_start == start


@pytest.mark.parametrize(("kv_heads", "groups"), [(6, 1), (3, 2), (2, 3), (1, 6)])
def test_groups(kv_heads: int, groups: int) -> None:
    assert request(*inputs(kv_heads)).groups == groups


def test_sizes_of_zero_are_sizes() -> None:
    empty = request(floats(0, 0, 5, 11), floats(0, 0, 0, 11), floats(0, 0, 0, 13))
    assert empty.groups == 1
    assert empty.output_shape == (0, 0, 5, 13)
    assert empty.place.query_start == -5


def test_masks_and_biases_become_values() -> None:
    allowed, extra = floats(5, 7, dtype=torch.bool), floats(5, 7)
    alibi, sink = ALiBi.for_heads(6), SinkLogits(floats(6))
    made = request(*inputs(), mask=allowed, bias=(alibi, sink, extra), dropout=0.25)
    assert made.mask == Dense(allowed)
    assert made.biases == (alibi, TensorBias(extra))
    assert made.sink is sink
    assert made.dropout == 0.25


def test_tensors_that_a_gradient_may_flow_to() -> None:
    query, key, value = inputs()
    vector, slopes, logits = floats(11), floats(6), floats(6)
    made = request(query, key, value, score=Additive(vector), mask=Causal(), bias=(ALiBi(slopes), SinkLogits(logits)))
    expected = (query, key, value, vector, slopes, logits)
    assert [a is b for a, b in zip(made.tensors(), expected, strict=True)] == [True] * 6


@pytest.mark.parametrize("index", range(6))
def test_wants_gradient(index: int) -> None:
    def made(*flags: bool) -> Request:
        query, key, value = (t.requires_grad_(on) for t, on in zip(inputs(), flags, strict=False))
        vector, slopes, logits = (floats(n).requires_grad_(on) for n, on in zip((11, 6, 6), flags[3:], strict=True))
        return request(query, key, value, score=Additive(vector), bias=(ALiBi(slopes), SinkLogits(logits)))

    assert not made(*[False] * 6).wants_gradient()
    wanting = made(*(i == index for i in range(6)))
    assert wanting.wants_gradient()
    with torch.no_grad():
        assert not wanting.wants_gradient()


def test_a_request_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        request(*inputs()).dropout = 0.5  # type: ignore[misc]


Q, K, V = inputs()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((Q[0], K, V), r"query \(6, 5, 11\), key .*: expected 4 dimensions each, \(batch, heads, length, dim\)"),
        ((Q, K[0], V), "expected 4 dimensions each"),
        ((Q, K, V[None]), "expected 4 dimensions each"),
        ((Q[:1], K, V), "batch sizes differ; expected one batch size, got 1, 2, 2"),
        ((Q, K, V[:1]), "batch sizes differ; expected one batch size, got 2, 2, 1"),
        ((Q, K[:, :2], V), r"key and value must have the same heads and length \(axes 1 and 2\)"),
        ((Q, K, V[:, :, :6]), "key and value must have the same heads and length"),
        (
            (Q[:, :4], K, V),
            r"query \(2, 4, 5, 11\), key .*: 4 query heads cannot share 3 key heads; heads must be a multiple",
        ),
        ((Q, K[:, :0], V[:, :0]), "6 query heads cannot share 0 key heads"),
        (
            (Q.double(), K, V),
            "have dtypes float64, float32, float32: expected one of .* for all; convert them with .to",
        ),
        (
            (Q.int(), K.int(), V.int()),
            "have dtypes int32, int32, int32: expected one of float64, float32, bfloat16, float16",
        ),
        ((Q, K.to("meta"), V), "query, key, value are on cpu, meta, cpu: move them to one device"),
        ((Q, K[..., :3], V), "compares vectors of one size, got query dim 11 and key dim 3"),
    ],
)
def test_tensors_that_do_not_fit(given: tuple[Tensor, Tensor, Tensor], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        request(*given)


@pytest.mark.parametrize(("index", "name"), [(0, "q"), (1, "k"), (2, "v")])
def test_only_torch_tensors(index: int, name: str) -> None:
    given: list[Any] = list(inputs())
    given[index] = np.ones((2, 6, 7, 11))
    with pytest.raises(
        SpecError, match=rf"{name} is array\(.*: expected a torch tensor; torch.as_tensor\(...\) makes one"
    ):
        request(*given)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"score": ScaledDot},
            SpecError,
            r"score=<class .*: expected a score such as ScaledDot\(\) \(a value, not a class",
        ),
        ({"score": "dot"}, SpecError, "score='dot': expected a score"),
        ({"score": Additive(floats(5))}, ShapeError, r"Additive\(vector\) has shape \(5,\)"),
        (
            {"score": Additive(floats(11, device="meta"))},
            ShapeError,
            "and the score's tensors on meta: move them to one",
        ),
        ({"mask": floats(5, 7, dtype=torch.uint8)}, MaskError, "a mask must be a bool tensor .*, got a uint8 tensor"),
        ({"mask": floats(5, 7)}, MaskError, r"numbers to be added to the scores go in bias="),
        ({"mask": floats(7, 5, dtype=torch.bool)}, MaskError, r"\(7, 5\), which does not broadcast to \(5, 7\)"),
        ({"mask": Padding(torch.tensor([7, 8]))}, MaskError, r"key_lengths\[1\] = 8, but there are 7 keys"),
        ({"mask": "causal"}, MaskError, "mask='causal': expected None, a mask"),
        ({"bias": floats(5, 7, dtype=torch.bool)}, ShapeError, "a bool tensor belongs in mask="),
        ({"bias": ALiBi.for_heads(8)}, ShapeError, r"has shape \(8,\); expected \(6,\), one number a head"),
        ({"bias": "alibi"}, SpecError, "bias='alibi': expected None, a float tensor"),
        ({"dropout": 1.0}, SpecError, "dropout=1.0: expected a probability, 0 <= dropout < 1"),
        ({"dropout": -0.1}, SpecError, "dropout=-0.1"),
        ({"dropout": float("nan")}, SpecError, "dropout=nan"),
        ({"dropout": True}, SpecError, "dropout=True"),
        ({"dropout": "0.1"}, SpecError, "dropout='0.1'"),
        ({"query_start": 1.0}, SpecError, "query_start=1.0: expected a whole number, the position of the first query"),
        ({"query_start": True}, SpecError, "query_start=True"),
        ({"query_start": torch.tensor(1)}, SpecError, r"query_start=an int64 tensor of shape \(\)"),
    ],
)
def test_options_that_are_refused(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as info:
        request(*inputs(), **options)
    assert type(info.value) is error
    assert "\n" not in str(info.value)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_four_dtypes_are_taken(dtype: torch.dtype) -> None:
    assert request(*inputs(dtype=dtype), score=Dot()).query.dtype == dtype


def test_general_compares_two_sizes() -> None:
    query, key, value = inputs()
    assert request(query, key[..., :4], value, score=General(floats(11, 4))).score == General(floats(11, 4))
