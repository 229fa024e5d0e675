"""What texts teach about a layer, as it is kept: by policy, by head, in a file, and what is no such thing."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import torch

from regard.allocate.basis_form import basis_of, plain_basis
from regard.allocate.lessons import Lessons, ranks
from regard.allocate.numbers_form import packed, unpacked
from regard.kernels.sketch import Sketch
from regard.spec import Causal, DataError, Focus, Request, WindowSinks, request

FINE, COARSE = Focus(grain=4, sketch=2.0), Focus(grain=8, sketch=1.0, bits=4)
POLICIES = (WindowSinks(), FINE, Focus(grain=4, sketch=1.0), COARSE)


def asked(length: int = 40, seed: int = 0) -> Request:
    source = torch.Generator().manual_seed(seed)
    q, k, v = (torch.randn(1, heads, length, dim, generator=source) for heads, dim in ((4, 8), (2, 8), (2, 6)))
    return request(q, k, v, mask=Causal())


def taught(length: int = 40, seed: int = 0) -> Lessons:
    found = Lessons.of(asked(length, seed), POLICIES)
    assert found is not None
    return found


def test_the_most_directions_of_each_grain() -> None:
    assert ranks(POLICIES, 8) == {4: 4, 8: 2}
    assert ranks((WindowSinks(),), 8) == {}
    assert ranks(POLICIES, 1) == {}


@pytest.mark.parametrize("policy", [FINE, Focus(grain=4, sketch=1.0), COARSE, Focus(grain=8, sketch=1.0, bits=16)])
def test_a_head_gets_what_its_own_sketch_would_learn(policy: Focus) -> None:
    made, found = asked(), taught()
    for head in range(2):
        basis = found.basis(head, policy)
        assert basis is not None
        query = made.query[:, 2 * head : 2 * head + 2]
        own = Sketch.of(made.key[:, head : head + 1], made.value[:, head : head + 1], query=query, policy=policy).basis
        for name in ("key", "query", "key_step", "value_step"):
            torch.testing.assert_close(getattr(basis, name).abs(), getattr(own, name).abs(), rtol=1e-4, atol=1e-5)


def test_policies_that_nothing_was_learnt_for() -> None:
    found = taught()
    assert found.basis(0, WindowSinks()) is None
    assert found.basis(0, Focus(grain=16)) is None
    assert found.basis(0, Focus(grain=8, sketch=4.0)) is None  # 8 directions, of which 2 were looked at


def test_a_text_too_short_for_a_grain_teaches_the_others() -> None:
    assert set(taught(7).grains) == {4}
    assert Lessons.of(asked(3), POLICIES) is None
    assert Lessons.of(asked(), (WindowSinks(),)) is None
    assert set(taught(7).plus(taught(seed=1)).grains) == {4, 8}
    both = taught(7).plus(taught(seed=1))
    assert (both.asked.count, both.grains[4].keys.count, both.grains[8].keys.count) == (2 * 47, 4 + 36, 32)
    own = taught(seed=1)
    assert torch.equal(both.grains[8].keys.total, own.grains[8].keys.total)


def same(found: Lessons, wanted: Lessons) -> bool:
    def parts(each: Lessons) -> list[Any]:
        kept = [each.asked.total]
        for grain in each.grains.values():
            kept += [grain.keys.total, grain.most, grain.code_votes, grain.step_votes]
        return kept

    counts = [(each.asked.count, *((n, g.keys.count) for n, g in each.grains.items())) for each in (found, wanted)]
    return counts[0] == counts[1] and all(map(torch.equal, parts(found), parts(wanted)))


def test_plain_values_and_back_to_the_last_bit() -> None:
    made = taught().plus(taught(seed=1))
    laid = json.loads(json.dumps(made.plain()))
    assert [laid[name] for name in ("heads", "dim", "value_dim", "queries")] == [2, 8, 6, 160]
    assert (laid["grains"]["4"]["rank"], laid["grains"]["4"]["keys"]) == (4, 72)
    assert same(Lessons.from_plain(laid, POLICIES, "here"), made)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda laid: laid.pop("moment"), "here: expected the entries heads, dim"),
        (lambda laid: laid.update(heads=0), "here: heads is 0, expected a whole number, at least 1"),
        (lambda laid: laid.update(queries=True), "here: queries is True"),
        (lambda laid: laid.update(dim=9), "here, moment: found 288 bytes, expected 360"),
        (lambda laid: laid.update(moment="?"), "here, moment: expected numbers as base64"),
        (lambda laid: laid.update(moment=3), "here, moment: expected numbers as base64"),
        (lambda laid: laid.update(moment="ä"), "here, moment: expected numbers as base64"),
        (lambda laid: laid.update(grains=[]), "here, grains: expected some of 4, 8"),
        (lambda laid: laid.update(grains={}), "here, grains: expected some of 4, 8"),
        (lambda laid: laid["grains"].update({"5": laid["grains"]["4"]}), "here, grains: expected some of 4, 8"),
        (lambda laid: laid["grains"]["4"].pop("keys"), "here, grain 4: expected the entries rank, keys, numbers"),
        (lambda laid: laid["grains"]["4"].update(rank=2), "grain 4: it is for 2 directions, its policies look at 4"),
        (lambda laid: laid["grains"]["4"].update(numbers=laid["moment"]), "grain 4: found 288 bytes, expected"),
    ],
)
def test_other_values_are_refused(change: Any, said: str) -> None:
    laid = copy.deepcopy(taught().plain())
    change(laid)
    with pytest.raises(DataError, match=said):
        Lessons.from_plain(laid, POLICIES, "here")


def test_other_policies_are_refused() -> None:
    with pytest.raises(DataError, match="expected some of none; make the profile again"):
        Lessons.from_plain(taught().plain(), (WindowSinks(),), "here")


def test_numbers_by_hand() -> None:
    """1.0 is 00 00 80 3f, -2.0 is 00 00 00 c0."""
    text = packed(torch.tensor([[1.0]]), torch.tensor([-2.0]))
    assert text == "AACAPwAAAMA="
    one, two = unpacked(text, [(1, 1), (1,)], "here")
    assert (one.tolist(), two.tolist()) == ([[1.0]], [-2.0])
    with pytest.raises(DataError, match="here: not all numbers are finite; make the file again"):
        unpacked(packed(torch.tensor([torch.nan])), [(1,)], "here")


def test_a_basis_as_plain_values() -> None:
    basis = taught().basis(1, FINE)
    assert basis is not None
    laid = json.loads(json.dumps(plain_basis(basis)))
    assert [laid[name] for name in ("dim", "value_dim", "rank", "bits")] == [8, 6, 4, 8]
    back = basis_of(laid, "here")
    assert all(torch.equal(getattr(back, name), getattr(basis, name)) for name in ("key", "query", "key_step"))
    assert torch.equal(back.value_step, basis.value_step)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bits": 16}, r"here: Basis\(bits=16\): expected 4 or 8"),
        ({"rank": 3}, "here: found 312 bytes, expected 248"),
        ({"rank": 0}, "here: rank is 0"),
        ({"numbers": None}, "here: expected numbers as base64"),
        ({"more": 1}, "here: expected the entries dim, value_dim, rank, bits, numbers"),
    ],
)
def test_what_is_no_basis(change: Any, said: str) -> None:
    basis = taught().basis(1, FINE)
    assert basis is not None
    with pytest.raises(DataError, match=said):
        basis_of(plain_basis(basis) | change, "here")
