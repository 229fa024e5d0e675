"""What cannot be sketched, and the words in which that is said."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from tests.focus_cases import POLICY, inputs
from torch import Tensor

from regard.kernels.sketch import Sketch
from regard.spec import Focus, RegardError, ShapeError, SpecError, WindowSinks

KEY, VALUE = torch.zeros(2, 2, 64, 6), torch.zeros(2, 2, 64, 4)


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({"key": KEY[0]}, ShapeError, r"key is a float32 tensor of shape \(2, 64, 6\): expected floats \(batch, heads"),
        ({"key": KEY.long()}, ShapeError, "key is an int64 tensor"),
        ({"value": [1.0]}, ShapeError, r"value is \[1.0\]: expected floats"),
        ({"query": KEY[0]}, ShapeError, "query is a float32 tensor"),
        ({"value": VALUE[:, :, 1:]}, ShapeError, r"shapes \(2, 2, 64, 6\), \(2, 2, 63, 4\) do not fit together"),
        ({"value": VALUE[:, :1]}, ShapeError, "do not fit together"),
        ({"query": KEY[:1]}, ShapeError, "do not fit together"),
        ({"query": KEY[..., 1:]}, ShapeError, "do not fit together"),
        ({"query": torch.zeros(2, 3, 5, 6)}, ShapeError, "do not fit together"),
        (
            {"policy": WindowSinks()},
            SpecError,
            r"policy=WindowSinks\(first=4\): a sketch is for Focus\(\), .* none; give Focus",
        ),
        (
            {"policy": Focus(grain=65)},
            SpecError,
            "64 keys are no whole block of 65: attend exactly until there are more",
        ),
        (
            {"key": KEY[..., :1]},
            SpecError,
            r"keys of 1 dimension\(s\) cannot be sketched: expected at least 2; attend exactly",
        ),
        ({"key": KEY[:0], "value": VALUE[:0]}, SpecError, "there is nothing to sketch in a length of 0"),
        ({"key": KEY[:, :0], "value": VALUE[:, :0]}, SpecError, "there is nothing to sketch in a length of 0"),
        ({"value": VALUE[..., :0]}, SpecError, "there is nothing to sketch in a length of 0"),
        ({"key": KEY[:, :, :0], "value": VALUE[:, :, :0]}, SpecError, "0 keys are no whole block of 8"),
        ({"key": KEY / 0}, SpecError, "a key, value or query is not finite"),
        ({"value": VALUE / 0}, SpecError, "a key, value or query is not finite"),
        ({"query": KEY / 0}, SpecError, "a key, value or query is not finite"),
        ({"key": KEY.double() + 1e39}, SpecError, "not finite"),  # not as float32
    ],
    ids=lambda given: next(iter(given)) if isinstance(given, dict) else "",
)
def test_refused(given: dict[str, Any], kind: type[RegardError], words: str) -> None:
    given = {"key": KEY, "value": VALUE, "policy": Focus(grain=8)} | given
    with pytest.raises(kind, match=words) as told:
        Sketch.of(given.pop("key"), given.pop("value"), **given)
    assert re.search(r"[;:] (give|attend exactly)\b", str(told.value)), "it says what to do"


def test_what_is_not_finite_is_refused_wherever_it_comes() -> None:
    q, k, v = inputs()
    for place in (0, 50, 151, 156):
        lost = k.clone()
        lost[0, 1, place, 3] = torch.nan
        with pytest.raises(SpecError, match="not finite"):
            Sketch.of(lost, v, query=q, policy=POLICY)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (KEY[:, :, :63], VALUE[:, :, :63]),
        (KEY[:1], VALUE[:1]),
        (KEY[:, :1], VALUE[:, :1]),
        (KEY[..., :5], VALUE),
        (KEY, VALUE[..., :3]),
    ],
    ids=["shorter", "fewer items", "fewer heads", "narrower keys", "narrower values"],
)
def test_another_cache_is_not_followed(key: Tensor, value: Tensor) -> None:
    found = Sketch.of(KEY, VALUE, policy=Focus(grain=8))
    with pytest.raises(
        ShapeError, match=r"value_dim\) \(2, 2, 6, 4\) and at least 64 keys; sketch another with Sketch.of"
    ):
        found.follow(key, value)
    assert found.length == 64


def test_keys_that_are_all_alike_have_codes_too() -> None:
    found = Sketch.of(KEY + 3, VALUE + 1, policy=Focus(grain=8))
    assert torch.isfinite(found.basis.query).all()
    assert bool((found.means == torch.tensor([3.0] * 6 + [1.0] * 4)).all())
