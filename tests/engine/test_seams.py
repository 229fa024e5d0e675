"""`reach`: every call once, by its path, in this thread and block alone; nothing stays behind."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import pytest
import torch
from tests.engine.plain_models import Attention, Model, answer, untouched, x
from tests.engine.reached import gathered
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention.flex_attention import flex_attention
from torch.utils.checkpoint import checkpoint

import regard
from regard import nn as layers
from regard.engine.seams import reach
from regard.spec import SpecError


def test_calls_carry_their_modules_path_in_order() -> None:
    model = Model()
    calls, unseen, _ = gathered(model, x())
    assert [(call.name, call.kind, call.turn) for call in calls] == [("blocks.0", "self", 1), ("blocks.1", "self", 1)]
    assert not unseen
    assert untouched(model)


def test_what_the_handler_gives_is_what_the_model_gets() -> None:
    model = Model()
    with reach(model, lambda reached: torch.zeros_like(reached.compute())):
        given = model(x())
    expected = x()
    for block in model.blocks:
        expected = expected + block.out(torch.zeros(2, 5, 8))
    torch.testing.assert_close(given, expected)


def test_turns_count_calls_from_outside() -> None:
    model, turns = Model(), []
    with reach(model, lambda reached: (turns.append(reached.turn), reached.compute())[1]):
        model(x())
        model.blocks[1](x())
    assert turns == [1, 1, 2]


def test_a_model_that_is_one_attention_goes_by_its_class() -> None:
    (call,), _, _ = gathered(Attention(), x())
    assert call.name == "Attention"


def test_calls_outside_of_the_model_are_left_alone() -> None:
    model, other, seen = Model(), Model(), []
    with reach(model, lambda reached: (seen.append(reached.name), reached.compute())[1]):
        other(x())
        F.scaled_dot_product_attention(x(), x(), x())
        regard.attend(x(), x(), x())
    assert not seen


def test_a_reach_inside_a_reach_is_refused() -> None:
    told = "watched in this thread already"
    with reach(Model(), answer), pytest.raises(SpecError, match=told), reach(Model(), answer):
        pass


@pytest.mark.parametrize("given", [None, "model", lambda x: x])
def test_what_is_no_module_is_refused(given: Any) -> None:
    with pytest.raises(SpecError, match=r"no torch\.nn\.Module"), reach(given, answer):
        pass


def test_a_compiled_model_is_refused_by_name() -> None:
    model = Model()
    model.blocks[1].compile(backend="eager")
    with pytest.raises(SpecError, match=r"'blocks\.1' is compiled.*leave its .*deepcopy"), reach(model, answer):
        pass
    assert len(gathered(copy.deepcopy(model), x())[0]) == 2  # as the message says
    whole = torch.compile(Model(), backend="eager")
    with pytest.raises(SpecError, match=r"the model is compiled.*_orig_mod"), reach(whole, answer):
        pass
    assert gathered(whole._orig_mod, x())[0]


def test_a_forward_that_was_compiled_in_its_place_is_refused() -> None:
    model = Model()
    model.forward = torch.compile(model.forward, backend="eager")
    with pytest.raises(SpecError, match=r"the model is compiled.*`del model\.forward`"), reach(model, answer):
        pass
    del model.forward
    block = model.blocks[1]
    block.forward = torch.compile(block.forward, backend="eager")
    with pytest.raises(SpecError, match=r"del model\.get_submodule\('blocks\.1'\)\.forward"), reach(model, answer):
        pass
    del model.get_submodule("blocks.1").forward
    assert len(gathered(model, x())[0]) == 2


def test_a_forward_that_is_kept_from_the_compiler_is_reached() -> None:
    model = Model()
    model.forward = torch.compiler.disable(model.forward)
    assert len(gathered(model, x())[0]) == 2


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_scripted_model_is_refused() -> None:
    scripted = torch.jit.trace(nn.Sequential(nn.Linear(8, 8)), x())
    with pytest.raises(SpecError, match="TorchScript"), reach(scripted, answer):
        pass


class Both(nn.Module):
    """regard's layer, a bare call of `attend`, and torch's layer, in one model."""

    def __init__(self) -> None:
        super().__init__()
        self.ours = layers.MultiHeadAttention(8, 2)
        self.cross = layers.MultiHeadAttention(8, 2)
        self.theirs = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.ours(x, mask=regard.Causal())
        x = self.cross(x, context=x[:, :3])
        return regard.attend(x, x, x) + self.theirs(x, x, x, need_weights=False)[0]


def test_regards_own_layers_and_calls() -> None:
    model = Both()
    calls, unseen, _ = gathered(model, x())
    assert [(call.name, call.kind) for call in calls] == [
        ("ours", "self"),
        ("cross", "cross"),
        ("Both", "self"),
        ("theirs", "self"),
    ]
    assert calls[0].request.mask == regard.Causal()
    assert not unseen


class Mixed(nn.Module):
    """One that can be seen, one that does its own arithmetic, one that does not run."""

    def __init__(self) -> None:
        super().__init__()
        self.seen, self.own, self.idle = Attention(), OwnAttention(), OwnAttention()

    def forward(self, x: Tensor) -> Tensor:
        return self.own(self.seen(x))


class OwnAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(self.query(x) @ self.key(x).mT, -1) @ self.value(x)


def test_attention_that_cannot_be_seen_is_listed_if_it_ran() -> None:
    calls, unseen, _ = gathered(Mixed(), x())
    assert [call.name for call in calls] == ["seen"]
    assert list(unseen) == ["own"]
    assert "computes its scores itself" in unseen["own"]


class FlexAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x)[:, None].chunk(3, -1)
        out: Tensor = flex_attention(q, k, v)
        return out


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_flex_attention_is_listed_with_what_to_use_instead() -> None:
    with torch.no_grad():
        calls, unseen, _ = gathered(FlexAttention(), x())
    assert not calls
    assert "use torch.nn.functional.scaled_dot_product_attention" in unseen["FlexAttention"]


class UnderAMode(nn.Module):
    """Runs its attention under a function mode of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.MultiheadAttention(8, 2, batch_first=True).eval()

    def forward(self, x: Tensor) -> Tensor:
        with torch.device("cpu"):
            return self.inner(x, x, x)[0]


def test_a_mode_of_the_models_own_is_left_in_its_place() -> None:
    with torch.no_grad():
        calls, _, _ = gathered(UnderAMode().eval(), x())
    assert [call.name for call in calls] == ["inner"]


class CompiledInside(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = Attention()
        self._run = torch.compile(lambda x: x * 2, backend="eager")

    def forward(self, x: Tensor) -> Tensor:
        return self._run(self.attention(x))


def test_a_function_compiled_inside_the_model_goes_on_working() -> None:
    with torch.no_grad():
        calls, _, _ = gathered(CompiledInside(), x())
    assert [call.name for call in calls] == ["attention"]


def test_a_backward_pass_that_computes_again_is_not_seen_twice() -> None:
    model, seen = Checkpointed(), []
    with reach(model, lambda reached: (seen.append(reached.name), reached.compute())[1]):
        model(x().requires_grad_()).sum().backward()
    assert seen == ["attention"]


class Checkpointed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = Attention()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = checkpoint(self.attention, x, use_reentrant=False)
        return out


def test_gradients_are_those_without_reaching() -> None:
    model, same = Model(), Model()
    same.load_state_dict(model.state_dict())
    same(x()).square().sum().backward()
    with reach(model, answer):
        model(x()).square().sum().backward()
    for mine, theirs in zip(model.parameters(), same.parameters(), strict=True):
        assert torch.equal(mine.grad, theirs.grad)


def test_a_model_can_be_copied_and_its_signature_read_while_it_is_reached() -> None:
    model = Model()
    plain = inspect.signature(model.forward)
    with reach(model, answer):
        assert inspect.signature(model.forward) == plain
    assert copy.deepcopy(model)(x()).shape == (2, 5, 8)
