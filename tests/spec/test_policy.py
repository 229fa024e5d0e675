"""Policies: what each takes and what it refuses, in words."""

from __future__ import annotations

import pickle

import pytest
import torch

from regard import spec
from regard.spec import (
    Focus,
    HeavyHitters,
    LargestComponents,
    LargeValues,
    LowBits,
    LowRankKeys,
    MeanBlocks,
    MinMaxBlocks,
    ObservedWindow,
    PerfectBlocks,
    PerfectKeys,
    Policy,
    RandomKeys,
    ShapeError,
    SmallKeys,
    SpecError,
    WindowSinks,
)

KINDS = [
    Focus,
    HeavyHitters,
    LargeValues,
    LargestComponents,
    LowBits,
    LowRankKeys,
    MeanBlocks,
    MinMaxBlocks,
    ObservedWindow,
    PerfectBlocks,
    PerfectKeys,
    RandomKeys,
    SmallKeys,
    WindowSinks,
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_policy_has_defaults_is_a_value_and_is_public(kind: type[Policy]) -> None:
    made = kind()
    assert made == kind()
    assert hash(made) == hash(kind())
    assert pickle.loads(pickle.dumps(made)) == made
    assert repr(made).startswith(f"{kind.__name__}(")
    assert kind.__name__ in spec.__all__
    assert kind.__doc__ is not None


def test_policies_that_hold_tensors_are_compared_by_content() -> None:
    assert HeavyHitters(received=torch.ones(1, 2, 3)) == HeavyHitters(received=torch.ones(1, 2, 3))
    assert HeavyHitters(received=torch.ones(1, 2, 3)) != HeavyHitters(received=torch.zeros(1, 2, 3))
    assert repr(ObservedWindow(received=torch.ones(1, 2, 3))) == (
        "ObservedWindow(window=32, pool=7, received=<float32 (1, 2, 3)>)"
    )


@pytest.mark.parametrize(
    ("kind", "field", "least"),
    [
        (Focus, "first", 0),
        (Focus, "grain", 1),
        (Focus, "exact", 0),
        (WindowSinks, "first", 0),
        (MinMaxBlocks, "size", 1),
        (MeanBlocks, "size", 1),
        (PerfectBlocks, "size", 1),
        (ObservedWindow, "window", 1),
        (ObservedWindow, "pool", 1),
        (LowRankKeys, "rank", 1),
        (LargestComponents, "rank", 1),
        (LowBits, "group", 1),
        (LowBits, "latest", 0),
        (RandomKeys, "seed", 0),
    ],
)
def test_counts(kind: type[Policy], field: str, least: int) -> None:
    assert getattr(kind(**{field: least}), field) == least
    for wrong in (least - 1, 2.0, True, "3", None):
        with pytest.raises(
            SpecError, match=rf"{kind.__name__}\({field}=.*\): expected a whole number, at least {least}"
        ):
            kind(**{field: wrong})


@pytest.mark.parametrize("kind", [Focus, HeavyHitters, SmallKeys, LargeValues])
def test_shares(kind: type[Policy]) -> None:
    for right in (0, 0.3, 1):
        assert kind(latest=right).latest == right  # type: ignore[attr-defined, call-arg]
    for wrong in (-0.1, 1.1, float("nan"), "half", True, None):
        with pytest.raises(SpecError, match=rf"{kind.__name__}\(latest=.*\): expected a share, from 0 to 1"):
            kind(latest=wrong)  # type: ignore[call-arg]


@pytest.mark.parametrize("kind", [HeavyHitters, ObservedWindow])
def test_received_is_a_float_tensor_of_three_axes(kind: type[Policy]) -> None:
    for wrong in ([1.0], torch.ones(1, 2, 3, dtype=torch.int64)):
        with pytest.raises(ShapeError, match=rf"{kind.__name__}\(received=...\) takes a float tensor"):
            kind(received=wrong)  # type: ignore[call-arg]
    with pytest.raises(
        ShapeError, match=rf"{kind.__name__}\(received=.*\): expected 3 axes, \(batch, kv_heads, key_len\)"
    ):
        kind(received=torch.ones(2, 3))  # type: ignore[call-arg]


def test_bits_of_focus() -> None:
    for wrong in (0, 17, float("inf"), None, True):
        with pytest.raises(SpecError, match=r"Focus\(sketch=.*\): expected bits a dimension, above 0 and at most \d"):
            Focus(sketch=wrong)  # type: ignore[arg-type]
    for wrong in (3, 32, None):
        with pytest.raises(SpecError, match=r"Focus\(bits=.*\): expected 4, 8 or 16"):
            Focus(bits=wrong)  # type: ignore[arg-type]
