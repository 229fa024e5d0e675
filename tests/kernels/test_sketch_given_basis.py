"""A sketch that starts from a basis learnt elsewhere: what it then is, and which bases are refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from tests.focus_cases import HALF, POLICY, asked, inputs

from regard.kernels.policies import spend
from regard.kernels.sketch import Sketch
from regard.kernels.sketch_basis import Basis
from regard.spec import Focus, RegardError, ShapeError, SpecError

KEY, QUERY = torch.eye(4)[None, :, :2], torch.eye(4)[None, :, :2]
STEPS, VALUE_STEPS = torch.ones(1, 1, 4), torch.ones(1, 1, 3)


def elsewhere(**changed: Any) -> Basis:
    """From the first 80 keys of a text."""
    q, k, v = inputs()
    return Sketch.of(k[:, :, :80], v[:, :, :80], query=q, policy=replace(POLICY, **changed)).basis


def test_given_its_own_basis_a_sketch_is_what_it_was() -> None:
    q, k, v = inputs()
    learnt = Sketch.of(k, v, query=q, policy=POLICY)
    given = Sketch.of(k, v, policy=POLICY, basis=learnt.basis)
    assert (given.length, given.bytes) == (learnt.length, learnt.bytes)
    for name in ("codes", "keys", "values", "means"):
        assert torch.equal(getattr(given, name)[..., :8], getattr(learnt, name)[..., :8])
    wanted, found = (spend(asked(), HALF, sketch).output for sketch in (learnt, given))
    assert torch.equal(wanted, found)


def test_nothing_is_learnt_where_a_basis_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    _, k, v = inputs()
    basis = elsewhere()
    monkeypatch.setattr("regard.kernels.sketch_basis.learnt", None)
    made = Sketch.of(k[:, :, :8], v[:, :, :8], policy=POLICY, basis=basis)
    assert made.length == 8
    made.follow(k, v)
    assert made.length == 152
    assert torch.equal(made.basis.key, basis.key)


def test_of_a_larger_basis_the_first_directions_are_used() -> None:
    """19 dimensions: 10 directions at 2 bits, 18 at 4."""
    q, k, v = inputs()
    large = Sketch.of(k, v, query=q, policy=replace(POLICY, sketch=4.0)).basis
    small = Sketch.of(k, v, query=q, policy=POLICY)
    assert (large.rank, small.basis.rank) == (18, 10)
    found = Sketch.of(k, v, policy=POLICY, basis=large)
    assert torch.equal(found.basis.key, small.basis.key)
    assert torch.equal(found.codes[:, :, :152], small.codes[:, :, :152])


def test_at_16_bits_steps_of_any_basis_will_do() -> None:
    _, k, v = inputs()
    for bits in (4, 8, 16):
        basis = elsewhere(bits=bits)
        assert basis.bits == min(bits, 8)
        assert Sketch.of(k, v, policy=replace(POLICY, bits=16), basis=basis).length == 152


def test_heads_are_joined_one_after_the_other() -> None:
    whole = elsewhere()
    parts = [Basis(*(getattr(whole, name)[at : at + 1] for name in _NAMES), bits=8) for at in range(2)]
    found = Basis.joined(parts)
    assert (found.heads, found.dim, found.rank, found.value_dim) == (2, 19, 10, 23)
    assert all(torch.equal(getattr(found, name), getattr(whole, name)) for name in _NAMES)


_NAMES = ("key", "query", "key_step", "value_step")


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({"basis": 3}, SpecError, "basis=3: expected a Basis; give another sketch's"),
        (
            {"heads": 1},
            ShapeError,
            r"for 1 key heads, keys of 19 and values of 23 dimensions; the cache has 2, 19 and 23",
        ),
        ({"value_dim": 20}, ShapeError, "the cache has 2, 19 and 20"),
        ({"dim": 18}, ShapeError, "the cache has 2, 18 and 23"),
        (
            {"policy": replace(POLICY, sketch=3.0)},
            SpecError,
            "the basis has 10 directions, and Focus.* looks at 14 of 19",
        ),
        ({"policy": replace(POLICY, bits=4)}, SpecError, "the basis has steps for 8 bits, and Focus.* rounds to 4"),
        ({"query": True}, SpecError, "query and basis were both given"),
        ({"length": 7}, SpecError, "7 keys are no whole block of 8"),
    ],
    ids=lambda given: next(iter(given)) if isinstance(given, dict) else "",
)
def test_refused(given: dict[str, Any], kind: type[RegardError], words: str) -> None:
    q, k, v = inputs()
    basis: Any = elsewhere()
    if "heads" in given:
        basis = Basis(*(getattr(basis, name)[:1] for name in _NAMES), bits=8)
    length = given.get("length", 157)
    k, v = k[:, :, :length, : given.get("dim", 19)], v[:, :, :length, : given.get("value_dim", 23)]
    with pytest.raises(kind, match=words):
        Sketch.of(
            *(k, v),
            query=q if "query" in given else None,
            policy=given.get("policy", POLICY),
            basis=given.get("basis", basis),
        )


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({"bits": 16}, SpecError, r"Basis\(bits=16\): expected 4 or 8"),
        ({"key": KEY[0]}, ShapeError, r"Basis\(key=.*expected floats with 3 axes"),
        ({"query": QUERY.long()}, ShapeError, r"Basis\(query=.*expected floats with 3 axes"),
        ({"key_step": [1.0]}, ShapeError, r"Basis\(key_step=\[1.0\]\)"),
        ({"query": QUERY[..., :1]}, ShapeError, r"Basis\(query=.*expected \(1, 4, 2\)"),
        ({"key_step": STEPS[..., :2]}, ShapeError, r"Basis\(key_step=.*expected \(1, 1, 4\)"),
        ({"value_step": VALUE_STEPS.expand(2, 1, 3)}, ShapeError, r"Basis\(value_step=.*expected \(1, 1, 3\)"),
        ({"key": KEY[..., :1], "query": QUERY[..., :1]}, ShapeError, "a basis of 1 directions of 4: expected an even"),
        ({"key": KEY[..., :0], "query": QUERY[..., :0]}, ShapeError, "a basis of 0 directions of 4"),
        ({"key": KEY / 0}, SpecError, "a number that is not finite, or a step that is not above 0"),
        ({"key_step": STEPS * 0}, SpecError, "a step that is not above 0: learn it again"),
        ({"value_step": -VALUE_STEPS}, SpecError, "a step that is not above 0: learn it again"),
    ],
    ids=lambda given: next(iter(given)) if isinstance(given, dict) else "",
)
def test_what_is_no_basis(given: dict[str, Any], kind: type[RegardError], words: str) -> None:
    parts = {"key": KEY, "query": QUERY, "key_step": STEPS, "value_step": VALUE_STEPS, "bits": 8} | given
    with pytest.raises(kind, match=words):
        Basis(**parts)


def test_it_lies_where_the_cache_lies() -> None:
    _, k, v = inputs()
    made = Sketch.of(k, v, policy=POLICY, basis=elsewhere())
    assert {getattr(made.basis, name).device for name in _NAMES} == {k.device}
    assert isinstance(made.policy, Focus)
