"""Allocations: a file and back, heads side by side, and the model they are for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.allocate.small import MADE_FOR, Looker, llama
from torch import nn

from regard.allocate import Allocation
from regard.allocate.fingerprint import Fingerprint, digest
from regard.kernels.sketch_basis import Basis
from regard.spec import DataError, Focus, LowBits, SpecError, WindowSinks
from regard.spec.budget import Budget

TENTH, HALF = Budget(fraction=0.1, policy=WindowSinks()), Budget(fraction=0.5, policy=LowBits())
MADE = Allocation(MADE_FOR, {"a": (TENTH, HALF), "b": (TENTH, TENTH)}, share=0.2, cost=0.01, unit="nats a token")


def test_the_file_can_be_read_and_comes_back(tmp_path: Path) -> None:
    MADE.save(tmp_path / "a.json")
    laid = json.loads((tmp_path / "a.json").read_text())
    assert laid["format"] == "regard allocation 2"
    assert laid["layers"]["a"][0] == {"fraction": 0.1, "policy": {"name": "WindowSinks", "first": 4}}
    assert laid["expected"] == {"share": 0.2, "cost": 0.01, "unit": "nats a token"}
    back = Allocation.load(tmp_path / "a.json")
    assert (back.model, back.layers, back.share, back.cost, back.unit) == (
        *(MADE.model, MADE.layers, MADE.share, MADE.cost, MADE.unit),
    )
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def spoilt(change: Any) -> Any:
    def make(path: Path) -> Path:
        MADE.save(path)
        laid = json.loads(path.read_text())
        change(laid)
        path.write_text(json.dumps(laid))
        return path

    return make


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda laid: laid.update(format="regard allocation 3"), 'expected "regard allocation 2"'),
        (lambda laid: laid.update(note=1), "expected the entries model, expected, layers, bases; found"),
        (lambda laid: laid.pop("model"), "expected the entries model"),
        (lambda laid: laid["model"].pop("kind"), "model: expected the entries kind, parameters"),
        (lambda laid: laid["model"].update(kind=3), "expected a whole number of parameters, and texts"),
        (lambda laid: laid["model"].update(parameters=True), "expected a whole number of parameters"),
        (lambda laid: laid["expected"].update(unit=3), "expected a text as unit"),
        (lambda laid: laid["expected"].update(cost=-1), r"cost=-1\): expected a number that is not below 0"),
        (lambda laid: laid["expected"].update(share="all"), "share='all'"),
        (lambda laid: laid.update(layers=[]), "expected under layers a list of budgets"),
        (lambda laid: laid.update(layers={}), "needs at least one layer"),
        (lambda laid: laid["layers"].update(a=3), "expected under layers a list of budgets"),
        (lambda laid: laid["layers"].update(a=[]), "the allocation of a is"),
        (lambda laid: laid["layers"]["a"][1].update(fraction=7), r"a, head 1: Budget\(fraction=7\)"),
        (lambda laid: laid["layers"]["a"][1]["policy"].update(name="Best"), "a, head 1: the policy 'Best'"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, change: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        Allocation.load(spoilt(change)(tmp_path / "a.json"))


def test_what_is_no_budget_is_refused() -> None:
    with pytest.raises(SpecError, match="expected a Budget for each key head"):
        Allocation(MADE_FOR, {"a": (0.1,)})  # type: ignore[arg-type]


def test_heads_side_by_side_with_one_budget_run_together() -> None:
    made = Allocation(MADE_FOR, {"a": (TENTH, HALF, HALF, TENTH), "b": (TENTH,) * 3})
    assert made.runs("a") == ((range(1), TENTH), (range(1, 3), HALF), (range(3, 4), TENTH))
    assert made.runs("b") == ((range(3), TENTH),)
    assert made.runs("b") is made.runs("b")
    assert made.runs("c") == ()


def test_it_says_what_it_is() -> None:
    assert repr(MADE) == "<allocation for Made: 2 layers, 4 key heads, 20 % of all bytes>"
    assert repr(Allocation(MADE_FOR, {"a": (TENTH,)})) == "<allocation for Made: 1 layers, 1 key heads>"


def test_the_same_model_is_known_again() -> None:
    found = Fingerprint.of(llama())
    assert found == Fingerprint.of(llama())
    found.check(llama(), "allocation")
    assert found == Fingerprint.of(llama().to(torch.bfloat16))
    assert Fingerprint.of(Looker()).config == ""


def tuned() -> Any:
    model = llama()
    with torch.no_grad():
        model.lm_head.weight += 1
    return model


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (Looker, "made for a LlamaForCausalLM of 17,440 parameters, and this is a Looker of 288"),
        (lambda: llama(num_hidden_layers=1), "this is a LlamaForCausalLM of"),
        (lambda: llama(rms_norm_eps=1e-3), "with another configuration"),
        (tuned, "with other weights .has it been trained since"),
    ],
)
def test_another_model_is_refused_with_what_differs(other: Any, said: str) -> None:
    made = Allocation(Fingerprint.of(llama()), {"a": (TENTH,)})
    with pytest.raises(SpecError, match=f"this allocation was made for .*{said.removeprefix('made for ')}"):
        made.check(other())


def test_a_layer_that_the_model_does_not_have_is_named() -> None:
    model = llama()
    path = "model.layers.1.self_attn"
    Allocation(Fingerprint.of(model), {path: (TENTH,)}).check(model)
    Allocation(Fingerprint.of(Looker()), {"Looker": (TENTH,)}).check(Looker())  # itself, by its class
    made = Allocation(Fingerprint.of(model), {path: (TENTH,), "model.layers.7.self_attn": (TENTH,)})
    with pytest.raises(SpecError, match=r"a budget for model\.layers\.7\.self_attn, .*LlamaForCausalLM does not have"):
        made.check(model)


def test_as_many_weights_in_other_shapes() -> None:
    found = Fingerprint.of(nn.Linear(2, 3, bias=False))
    with pytest.raises(SpecError, match=r"a Linear of 6 parameters, and this is a Linear of 6, of other shapes"):
        found.check(nn.Linear(3, 2, bias=False), "profile")


def test_settings_that_change_nothing_are_not_looked_at() -> None:
    model = llama()
    found = Fingerprint.of(model)
    model.config.use_cache = False
    assert Fingerprint.of(model) == found


def test_what_has_no_weights_to_look_at() -> None:
    with pytest.raises(SpecError, match=r"is no torch.nn.Module"):
        Fingerprint.of("gemma")  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="on the device 'meta'"):
        Fingerprint.of(nn.Linear(2, 2, device="meta"))
    assert Fingerprint.of(nn.ReLU()).parameters == 0


def test_a_digest_is_of_shape_type_and_content() -> None:
    first = torch.arange(6.0)
    assert digest([first]) == digest([first.clone()])
    others = [first + 1, first.view(2, 3), first.double(), first[:5], torch.empty(0)]
    assert len({digest([each]) for each in [first, *others]}) == 6


FOCUS, FINER = Budget(fraction=0.1, policy=Focus(grain=4, sketch=1.0)), Budget(fraction=0.1, policy=Focus(grain=4))


def basis(*, rank: int = 2, bits: int = 8) -> Basis:
    """Of keys of 8 numbers and values of 6."""
    key = torch.eye(8)[None, :, :rank]
    return Basis(key, key / 3, torch.ones(1, 1, 8), torch.ones(1, 1, 6), bits=bits)


def with_bases(**changed: Any) -> Allocation:
    layers = {"a": (FOCUS, FOCUS, TENTH), "b": (FOCUS, FINER)}
    bases = {"a": (basis(), basis(), None), "b": (None, basis())} | changed
    return Allocation(MADE_FOR, layers, bases=bases)


def test_bases_come_back_to_the_last_bit(tmp_path: Path) -> None:
    made = with_bases()
    made.save(tmp_path / "a.json")
    back = Allocation.load(tmp_path / "a.json")
    assert {path: [each is None for each in heads] for path, heads in back.bases.items()} == {
        "a": [False, False, True],
        "b": [True, False],
    }
    for path, heads in made.bases.items():
        for own, other in zip(heads, back.bases[path], strict=True):
            if own is not None and other is not None:
                assert all(torch.equal(getattr(own, name), getattr(other, name)) for name in ("key", "query"))
                assert (own.bits, own.rank) == (other.bits, other.rank)


def test_heads_that_run_together_have_their_bases_joined() -> None:
    made = with_bases()
    both = made.basis("a", range(2))
    assert both is not None
    assert both.heads == 2
    assert made.basis("a", range(2)) is both  # looked up once
    assert made.basis("a", range(1, 3)) is None
    assert made.basis("b", range(1)) is None
    assert made.basis("c", range(1)) is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"a": (basis(),)}, "a has 1 bases and 3 budgets"),
        ({"c": (basis(),)}, "c has 1 bases and 0 budgets"),
        ({"a": (None, None, basis())}, r"a, head 2: WindowSinks\(first=4\) keeps no sketch, and has a basis for one"),
        ({"a": (basis(bits=4), None, None)}, "a, head 0: the basis has steps for 4 bits"),
    ],
)
def test_bases_that_do_not_fit(changed: Any, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        with_bases(**changed)
    four = Budget(fraction=0.1, policy=Focus(grain=4, sketch=2.0))
    with pytest.raises(SpecError, match=r"a, head 0: the basis has 2 directions, and Focus.* looks at 4 of 8"):
        Allocation(MADE_FOR, {"a": (four,)}, bases={"a": (basis(),)})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda laid: laid.update(bases=[]), "expected under bases a list for some module paths"),
        (lambda laid: laid["bases"].update(a=3), "expected under bases a list for some module paths"),
        (lambda laid: laid["bases"]["a"].pop(), "a has 2 bases and 3 budgets"),
        (lambda laid: laid["bases"]["a"][1].update(rank=4), "basis of a, head 1: found 184 bytes, expected 312"),
        (lambda laid: laid["bases"]["a"][0].update(bits=4), "a, head 0: the basis has steps for 4 bits"),
        (lambda laid: laid["bases"]["b"].__setitem__(1, 3), "basis of b, head 1: expected the entries dim"),
    ],
)
def test_files_with_broken_bases_are_refused(tmp_path: Path, change: Any, said: str) -> None:
    path = tmp_path / "a.json"
    with_bases().save(path)
    laid = json.loads(path.read_text())
    change(laid)
    path.write_text(json.dumps(laid))
    with pytest.raises(DataError, match=said):
        Allocation.load(path)


def test_a_file_of_the_first_version_brings_no_bases(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    MADE.save(path)
    laid = json.loads(path.read_text())
    del laid["bases"]
    path.write_text(json.dumps(laid | {"format": "regard allocation 1"}))
    assert Allocation.load(path).bases == {}
    path.write_text(json.dumps(laid | {"format": "regard allocation 1", "bases": {}}))
    with pytest.raises(DataError, match="expected the entries model, expected, layers; found"):
        Allocation.load(path)
