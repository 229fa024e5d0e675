"""Modules that never attend are not looked at after their second call; those that do always are."""

from __future__ import annotations

import torch
from tests.engine.plain_models import Attention, untouched, x
from torch import Tensor, nn
from torch.overrides import _get_current_function_mode

from regard.engine.seam_habits import Habits
from regard.engine.seams import reach


def test_twice_without_attention_is_enough() -> None:
    habits = Habits()
    for _ in range(2):
        assert not habits.quiet("mlp")
        assert habits.calls("mlp")
        habits.left("mlp", attends=False)
    assert habits.quiet("mlp")
    assert not habits.calls("mlp")


def test_what_attended_once_never_goes_quiet() -> None:
    habits = Habits()
    habits.left("layer", attends=True)
    for _ in range(3):
        habits.left("layer", attends=False)
    assert not habits.quiet("layer")
    assert not habits.calls("layer")  # by a module inside it, not itself
    habits.direct.add("layer")
    assert habits.calls("layer")


class Spy(nn.Module):
    """Notes whether torch functions are being looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.looked: list[bool] = []

    def forward(self, x: Tensor) -> Tensor:
        self.looked.append(_get_current_function_mode() is not None)
        return x


def test_looking_stops_where_nothing_attends() -> None:
    model = nn.Sequential(Spy(), Attention())
    seen = []
    with reach(model, lambda reached: (seen.append(reached.name), reached.compute())[1], answers=True):
        for _ in range(4):
            model(x())
    assert model[0].looked == [True, True, False, False]
    assert seen == ["1"] * 4
    assert untouched(model)


def test_a_watched_model_is_looked_at_always() -> None:
    model = nn.Sequential(Spy(), Attention())
    with reach(model, lambda reached: reached.compute()):
        for _ in range(4):
            model(x())
    assert model[0].looked == [True] * 4


class Late(nn.Module):
    """Attends from its third call on."""

    def __init__(self) -> None:
        super().__init__()
        self.count, self.inner = 0, Attention()

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        return self.inner(x) if self.count > 2 else x


def test_a_module_that_attends_later_computes_as_it_does_by_itself() -> None:
    model = nn.Sequential(Late(), Attention())
    with torch.no_grad(), reach(model, lambda reached: torch.zeros(2, 2, 5, 4), answers=True):
        for _ in range(3):
            model(x())
        quiet = model[0](x())  # called from outside it is looked at again
    torch.testing.assert_close(quiet, model[0].inner.out(torch.zeros(2, 5, 8)))
