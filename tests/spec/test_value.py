"""What every frozen value shares: equality by content, a hash that fits it, its tensors, and a repr in words."""

from __future__ import annotations

import copy
import dataclasses
import os
import pickle
import subprocess
import sys

import pytest
import torch

from regard.spec import (
    ActivatedDot,
    ALiBi,
    Causal,
    Cosine,
    Dense,
    Documents,
    General,
    Padding,
    Prefix,
    Rotary,
    ScaledDot,
    ShapeError,
    Sinusoidal,
    Window,
)
from regard.spec.value import Value, described, is_number, require_floats


def test_values_are_equal_by_content() -> None:
    assert Window(2, 0) == Window(2, 0)
    assert Window(2, 0) != Window(0, 2)
    assert Causal() != Prefix(3)
    assert Causal() != "causal"
    assert Rotary() != Sinusoidal()  # same fields, another class
    assert ScaledDot(1) != ScaledDot(1.0)  # an int is not a float
    assert ScaledDot(None) != ScaledDot(0.5)


def test_tensors_are_compared_by_content_dtype_and_shape() -> None:
    ones = torch.ones(3)
    assert ALiBi(ones) == ALiBi(ones.clone())
    assert ALiBi(ones) != ALiBi(ones * 2)
    assert ALiBi(ones) != ALiBi(ones.double())
    assert ALiBi(ones) != ALiBi(torch.ones(2))
    assert Cosine(ones) != Cosine(1.0)
    assert ALiBi(ones) != ALiBi(ones.to("meta"))


def test_a_value_equals_itself_whatever_it_holds() -> None:
    unknown = ALiBi(torch.full((2,), torch.nan))
    assert unknown == unknown
    assert unknown != ALiBi(torch.full((2,), torch.nan))


def test_nested_values_are_compared_too() -> None:
    def made(length: int) -> Value:
        return Causal() & ~Padding(torch.tensor([length])) | Window(1, 0)

    assert made(3) == made(3)
    assert made(3) != made(4)
    assert hash(made(3)) == hash(made(3))


@pytest.mark.parametrize(
    "value", [Causal(), Window(1, 2), ScaledDot(0.5, 30.0), Dense(torch.ones(2, 3, dtype=torch.bool))]
)
def test_equal_values_have_one_hash(value: Value) -> None:
    twin = copy.deepcopy(value)
    assert twin == value
    assert hash(twin) == hash(value) == hash(value)
    assert len({value, twin}) == 1


def test_a_pickled_value_leaves_its_hash_behind() -> None:
    value = ScaledDot(0.5, 30.0)
    hash(value)
    assert "_hash" not in pickle.loads(pickle.dumps(value)).__dict__
    assert pickle.loads(pickle.dumps(value)) == value


def test_a_value_from_another_process_is_found_in_a_set() -> None:
    code = "import pickle, sys; from regard.spec import ActivatedDot; import torch; v = ActivatedDot(torch.ones(2)); "
    code += "hash(v); sys.stdout.buffer.write(pickle.dumps(v))"
    other = {**os.environ, "PYTHONHASHSEED": "1"}
    found = subprocess.run([sys.executable, "-c", code], env=other, capture_output=True, check=True).stdout
    assert pickle.loads(found) in {ActivatedDot(torch.ones(2))}


@pytest.mark.parametrize("value", [Window(1, 2), ScaledDot(), ALiBi(torch.ones(2)), Rotary()])
def test_values_are_frozen(value: Value) -> None:
    name = dataclasses.fields(value)[0].name  # type: ignore[arg-type]
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, name, 3)


def test_tensors_come_in_field_order_with_nested_ones() -> None:
    vector, bias = torch.ones(5), torch.zeros(3)
    assert [t is want for t, want in zip(ActivatedDot(vector, bias).tensors(), (vector, bias), strict=True)] == [
        True
    ] * 2
    ids, table = torch.tensor([1]), torch.ones(1, 1, dtype=torch.bool)
    found = (Causal() & (Dense(table) | ~Documents(ids))).tensors()
    assert torch.equal(found[0], table)
    assert torch.equal(found[1], ids)
    assert len(found) == 2
    assert ScaledDot().tensors() == ()


def test_repr_shows_tensors_by_dtype_and_shape() -> None:
    assert repr(ScaledDot(softcap=50.0)) == "ScaledDot(scale=None, softcap=50.0)"
    assert repr(General(torch.ones(3, 5))) == "General(weight=<float32 (3, 5)>)"
    assert repr(ActivatedDot(torch.ones(5, dtype=torch.float64))) == (
        "ActivatedDot(key_vector=<float64 (5,)>, bias=0.0, activation='sigmoid')"
    )


def test_described_is_one_short_line() -> None:
    assert described(torch.ones(2, 3)) == "a float32 tensor of shape (2, 3)"
    assert described(torch.ones(2, dtype=torch.int64)) == "an int64 tensor of shape (2,)"
    assert described("a\nb") == "'a\\nb'"
    assert described([[1, 2]]) == "[[1, 2]]"
    long = described(list(range(1000)))
    assert len(long) == 60
    assert long.endswith("...")


def test_numbers_are_finite_and_plain() -> None:
    assert all(map(is_number, (0, 1.5, -2)))
    assert not any(map(is_number, (True, float("nan"), float("inf"), "1", None, torch.tensor(1.0))))


@pytest.mark.parametrize("given", [None, 1.0, [1.0], torch.tensor([1]), torch.tensor([True])])
def test_require_floats_names_owner_and_field(given: object) -> None:
    with pytest.raises(ShapeError, match=r"General\(weight=\.\.\.\) takes a float tensor, got "):
        require_floats("General", "weight", given)
