"""`regard.numpy` against `regard.attend` and `regard.observe` on drawn calls, and against numbers made by hand."""

from __future__ import annotations

import doctest
import math
import subprocess
import sys
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.strategies import Call, calls

import regard
import regard.numpy as rn
from regard.spec.errors import KernelError, MaskError, ShapeError, SpecError
from regard.spec.value import Value


def arrays(call: Call) -> tuple[list[np.ndarray], dict[str, Any]]:
    return [t.detach().numpy() for t in call.tensors], call.more


def close(mine: Any, theirs: torch.Tensor, what: str) -> None:
    np.testing.assert_allclose(mine, theirs.detach().numpy(), rtol=1e-9, atol=1e-11, err_msg=what)


@settings(max_examples=120)
@given(calls(torch.float64))
def test_attend_is_regards(call: Call) -> None:
    given_arrays, more = arrays(call)
    made = rn.attend(*given_arrays, **more)
    assert made.dtype == np.float64
    close(made, regard.attend(*call.tensors, **more), "output")


@settings(max_examples=60)
@given(calls(torch.float64, longest=9), st.data())
def test_observe_is_regards(call: Call, data: st.DataObject) -> None:
    place = call.asked().place
    wanted: dict[str, Any] = {"top": data.draw(st.integers(0, 4))}
    if place.query_len and place.key_len:
        wanted["bins"] = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
        wanted["keys"] = range(data.draw(st.integers(0, place.key_len - 1)), place.key_len)
        wanted["queries"] = range(data.draw(st.integers(0, place.query_len - 1)), place.query_len)
    if place.heads > 1:
        wanted["heads"] = (place.heads - 1, 0)
    given_arrays, more = arrays(call)
    output, mine = rn.observe(*given_arrays, **more, **wanted)
    expected, theirs = regard.observe(*(t.detach() for t in call.tensors), **more, **wanted)
    close(output, expected, "output")
    for name in ("lse", "entropy", "breadth", "distance", "received", "map", "top_weights"):
        if (figure := getattr(theirs, name)) is not None:
            close(getattr(mine, name), figure, name)
    for name in ("queries", "row_edges", "col_edges"):
        if (numbers := getattr(theirs, name)) is not None:
            assert getattr(mine, name).tolist() == numbers.tolist(), name
    assert (mine.heads, mine.query_start, mine.key_len) == (theirs.heads, theirs.query_start, theirs.key_len)
    if theirs.top_keys is not None:  # keys that weigh the same may be named in any order: their weights are the same
        spot = np.maximum(mine.top_keys, 0)
        assert np.array_equal(mine.top_keys < 0, theirs.top_keys.numpy() < 0)
        named = np.take_along_axis(mine.weights, spot, -1) if mine.key_len else mine.top_weights
        np.testing.assert_array_equal(np.where(mine.top_keys < 0, 0.0, named), mine.top_weights)


def held(value: Value) -> list[Value]:
    """`value` and the masks that it is joined of."""
    inner = [getattr(value, f.name) for f in fields(value) if isinstance(getattr(value, f.name), Value)]  # type: ignore[arg-type]
    return [value, *(part for each in inner for part in held(each))]


@settings(max_examples=100)
@given(calls(torch.float64, longest=6))
def test_values_are_made_of_arrays_and_of_lists(call: Call) -> None:
    """Padding, Documents, Dense, TensorBias and the rest, from arrays and from lists, equal what tensors make."""
    parts = (call.more["score"], call.more["mask"], *call.more["bias"])
    for value in (each for part in parts if isinstance(part, Value) for each in held(part)):
        if not hasattr(rn, type(value).__name__) or not all(t.numel() for t in value.tensors()):
            continue  # a list of nothing has no shape
        given_fields = {f.name: getattr(value, f.name) for f in fields(value)}  # type: ignore[arg-type]
        for turned in (lambda t: t.detach().numpy(), lambda t: t.tolist()):
            named = {n: turned(p) if isinstance(p, torch.Tensor) else p for n, p in given_fields.items()}
            assert getattr(rn, type(value).__name__)(**named) == value


def test_two_equal_keys_share_a_query() -> None:
    out, seen = rn.observe([[0.5]], [[1.0], [1.0]], [[1.0], [2.0]], top=1, bins=(1, 2))
    assert out.tolist() == [[1.5]]
    assert seen.weights[0, 0].tolist() == [[0.5, 0.5]]
    assert seen.entropy[0, 0, 0] == pytest.approx(math.log(2))
    assert seen.breadth[0, 0, 0] == pytest.approx(2)
    assert seen.lse[0, 0, 0] == pytest.approx(0.5 + math.log(2))  # scores .5 and .5
    assert seen.distance[0, 0, 0] == 0.5  # the query sits on key 1
    assert seen.received[0, 0].tolist() == [0.5, 0.5]
    assert (seen.top_keys[0, 0].tolist(), seen.top_weights[0, 0].tolist()) == ([[0]], [[0.5]])
    assert seen.map[0, 0].tolist() == [[0.5, 0.5]]
    assert (seen.row_edges.tolist(), seen.col_edges.tolist()) == ([0, 1], [0, 1, 2])


def test_cat_dog_pig() -> None:
    words = np.eye(3)
    sigmoid = rn.ActivatedDot([0, 0, 0], bias=0.0, activation="sigmoid")
    weights = rn.steps(words, words, words, score=sigmoid).weights[0, 0]
    itself, another = math.exp(1 / (1 + math.exp(-1))), math.exp(0.5)
    assert weights[0].tolist() == pytest.approx(
        [itself / (itself + 2 * another), *[another / (itself + 2 * another)] * 2]
    )
    assert [round(w, 3) for w in weights[0]] == [0.386, 0.307, 0.307]


def test_the_four_steps() -> None:
    x = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    found = rn.steps(x, x, x)
    np.testing.assert_allclose(found.scores[0, 0], x @ x.T / math.sqrt(2))
    np.testing.assert_allclose(found.weights[0, 0].sum(-1), 1)
    np.testing.assert_allclose(found.output[0, 0], found.weights[0, 0] @ x)


def test_a_five_by_eight_sequence_with_one_head_or_none() -> None:
    q, k, v = np.random.default_rng(0).standard_normal((3, 1, 5, 8))
    scores = np.exp(q @ k.swapaxes(-1, -2) / 8**0.5)
    by_hand = scores / scores.sum(-1, keepdims=True) @ v
    np.testing.assert_allclose(rn.attend(q, k, v), by_hand)
    np.testing.assert_allclose(rn.attend(q[0], k[0], v[0]), by_hand[0])


def test_empty_rows_are_zero_and_say_so() -> None:
    out, seen = rn.observe(
        np.ones((2, 1, 3)), np.ones((2, 2, 3)), np.full((2, 2, 1), 7.0), mask=rn.Padding([2, 0]), top=2
    )
    assert out.tolist() == [[[7.0]], [[0.0]]]
    assert (seen.lse[1, 0, 0], seen.entropy[1, 0, 0], seen.distance[1, 0, 0]) == (-math.inf, 0.0, 0.0)
    assert seen.top_keys[1, 0].tolist() == [[-1, -1]]
    assert seen.received[1, 0].tolist() == [0.0, 0.0]


def test_masks_and_biases_may_be_plain_arrays() -> None:
    q, k, v = [[1.0]], [[0.0], [0.0], [0.0]], [[1.0], [2.0], [4.0]]
    assert rn.attend(q, k, v, mask=[[True, False, True]]).tolist() == [[2.5]]
    assert rn.attend(q, k, v, bias=[[0.0, -math.inf, 0.0]]).tolist() == [[2.5]]
    both = rn.attend(q, k, v, bias=(np.array([[math.log(3), 0, 0]]), rn.SinkLogits([0.0])))
    assert both.tolist() == [[pytest.approx((3 * 1 + 2 + 4) / 6)]]  # the sink takes 1 of 3 + 1 + 1 + 1
    assert rn.attend(q, k, v, mask=rn.Dense(np.array([[True, True, False]])) & regard.Causal()).tolist() == [[1.5]]


def test_what_is_made_stays_when_the_array_changes() -> None:
    slopes = np.array([1.0])
    bias = rn.ALiBi(slopes)
    slopes[0] = 9
    assert bias == regard.ALiBi(torch.tensor([1.0], dtype=torch.float64))


def test_whole_numbers_and_half_precision_come_in() -> None:
    for dtype in (np.int32, np.uint8, np.float16, np.float32):
        ones = np.ones((2, 1), dtype)
        assert rn.attend(ones, ones, ones * 2).tolist() == [[2.0], [2.0]]


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (SpecError, "k is .*real numbers", lambda: rn.attend([[1.0]], [["a"]], [[1.0]])),
        (SpecError, "q is .*real numbers", lambda: rn.attend([[1j]], [[1.0]], [[1.0]])),
        (ShapeError, "expected all three", lambda: rn.attend([1.0], [[1.0]], [[1.0]])),
        (ShapeError, "lengths? ", lambda: rn.attend([[1.0]], [[1.0]], [[1.0], [2.0]])),
        (MaskError, "must be a bool tensor", lambda: rn.attend([[1.0]], [[1.0]], [[1.0]], mask=[[1]])),
        (MaskError, "lengths", lambda: rn.Padding([1.5])),
        (SpecError, "expected an array of numbers", lambda: rn.Padding(["two"])),
        (SpecError, "top=-1", lambda: rn.observe([[1.0]], [[1.0]], [[1.0]], top=-1)),
    ],
)
def test_what_does_not_fit_is_refused(error: type[Exception], words: str, call: Any) -> None:
    with pytest.raises(error, match=words):
        call()


def test_large_calls_are_refused_before_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    q = np.zeros((5, 2))
    monkeypatch.setattr(rn, "LIMIT", 25)
    rn.attend(q, q, q)
    with pytest.raises(KernelError, match=r"50 entries, above 25"):
        rn.attend(q, q, q, score=rn.Additive([1, 1]))
    monkeypatch.setattr(rn, "LIMIT", 24)
    with pytest.raises(KernelError, match=r"25 entries, above 24.*regard.attend"):
        rn.observe(q, q, q)


def test_it_loads_nothing_beyond_regard_itself() -> None:
    code = "import sys, regard; was = set(sys.modules); import regard.numpy; print(sorted(set(sys.modules) - was))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['regard.numpy']"


def test_names_are_sorted_there_and_told_of() -> None:
    assert list(rn.__all__) == sorted(rn.__all__)
    assert all(getattr(rn, name).__doc__ for name in rn.__all__)
    ran = doctest.testmod(rn)
    assert (ran.failed, ran.attempted > 0) == (0, True)
