"""Weights against what they stand for: the output of one key head moved at random, and the model's answer measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.allocate.small import Looker, llama, numbers, text
from torch import Tensor, nn
from torch.nn import functional as F

from regard.allocate import weighing
from regard.allocate.cut import reduced
from regard.allocate.measuring import Asked
from regard.allocate.sample import Sample
from regard.allocate.weighing import NATS, OUTPUT, Weighing
from regard.engine.attend import choose
from regard.engine.seam_reach import Answer, Reached
from regard.engine.seams import reach
from regard.kernels.policies import spend
from regard.spec import KernelError, LargestComponents, SpecError, WindowSinks, request
from regard.spec.budget import Budget

MOVED = 0.1  # of the size of a head's output


def answer(model: nn.Module, run: Callable[[], Any], path: str, head: int, seed: int) -> Any:
    """What the model says with the output of one key head moved by `MOVED` of its size, in a random direction."""
    source = torch.Generator().manual_seed(seed)

    def handle(reached: Any) -> Any:
        request = reduced(reached.request)
        output = choose(request, None).run(request)[0]
        noise = torch.randn(output.shape, generator=source)
        noise *= MOVED * output.norm(dim=-1, keepdim=True) / noise.norm(dim=-1, keepdim=True)
        own = range(head * request.groups, (head + 1) * request.groups)
        here = torch.zeros(output.shape[1])
        here[own.start : own.stop] = reached.name == path
        return reached.give(output + noise * here[:, None, None])

    with torch.no_grad(), reach(model, handle, answers=True):
        return run()


def moved(model: nn.Module, run: Callable[[], Any], found: dict[str, Tensor], far: Callable[[Any, Any], float]) -> Any:
    """(expected costs, measured costs) of every key head."""
    with torch.no_grad():
        exact = run()
    expected, measured = [], []
    for path, each in found.items():
        for head, weight in enumerate(each.tolist()):
            expected.append(weight * MOVED**2)
            measured.append(sum(far(exact, answer(model, run, path, head, seed)) for seed in range(6)) / 6)
    return torch.tensor(expected), torch.tensor(measured)


POLICIES, FRACTIONS = (WindowSinks(), LargestComponents(4)), (0.3, 0.6)


def weighed(model: nn.Module, given: Tensor, queries: int = 4) -> tuple[str, dict[str, dict[str, Tensor]]]:
    """(unit, figures by path) on one sample."""
    return Weighing(Asked(POLICIES, FRACTIONS, queries, seed=0), lambda path: None).run(model, Sample.of(given))


def weights(model: nn.Module, given: Tensor) -> tuple[str, dict[str, Tensor]]:
    unit, found = weighed(model, given)
    return unit, {path: figures["weight"] for path, figures in found.items()}


def order(values: Tensor) -> Tensor:
    return values.argsort().argsort().double()


def divergence(exact: Any, other: Any) -> float:
    """KL in nats a token."""
    true, said = (each.logits.double().log_softmax(-1) for each in (exact, other))
    return float((true.exp() * (true - said)).sum(-1).mean())


@pytest.mark.parametrize("seed", [0, 1])
def test_weights_tell_what_an_error_in_each_head_costs(seed: int) -> None:
    """Four layers of two key heads, which differ ninefold in cost: the same order, and no figure off by a quarter."""
    model, ids = llama(seed, num_hidden_layers=4), text(100, seed)
    unit, found = weights(model, ids)
    assert unit == NATS
    assert [len(each) for each in found.values()] == [2] * 4
    expected, measured = moved(model, lambda: model(ids), found, divergence)
    assert float(torch.corrcoef(torch.stack([order(expected), order(measured)]))[0, 1]) > 0.9
    assert float((expected / measured - 1).abs().max()) < 0.25


def spoilt(model: nn.Module, run: Callable[[], Any], path: str, head: int, budget: Budget) -> Any:
    """What the model says with one key head on a budget, all others exact."""

    def handle(reached: Any) -> Any:
        request = reduced(reached.request)
        output = choose(request, None).run(request)[0].clone()
        if reached.name == path:
            own = slice(head * request.groups, (head + 1) * request.groups)
            output[:, own] = spend(request, budget).output[:, own]
        return reached.give(output)

    with torch.no_grad(), reach(model, handle, answers=True):
        return run()


def test_costs_tell_what_a_policy_costs_in_each_head() -> None:
    """Eight key heads under two policies, one at a time: the order, and the whole within a third."""
    model, ids = llama(num_hidden_layers=4), text(120)
    _, found = weighed(model, ids, queries=96)
    with torch.no_grad():
        exact = model(ids)
    expected, measured = [], []
    for path, figures in found.items():
        for head in range(2):
            for at, policy in enumerate(POLICIES):
                budget = Budget(fraction=FRACTIONS[1], policy=policy)
                expected.append(float(figures["cost"][head, at, 1]))
                measured.append(divergence(exact, spoilt(model, lambda: model(ids), path, head, budget)))
    one, other = torch.tensor(expected), torch.tensor(measured)
    assert float(torch.corrcoef(torch.stack([order(one), order(other)]))[0, 1]) > 0.8
    assert float(one.sum() / other.sum()) == pytest.approx(1, abs=0.34)


def test_a_model_without_logits_is_weighed_by_its_output() -> None:
    model, x = Looker(), numbers(60)
    unit, found = weights(model, x)
    assert unit == OUTPUT

    def far(exact: Any, other: Any) -> float:
        return float((other - exact).norm() ** 2 / exact.norm() ** 2)

    expected, measured = moved(model, lambda: model(x), found, far)
    assert len(expected) == 2
    assert float((expected / measured - 1).abs().max()) < 0.5  # of 4 draws of a direction


def test_the_comparison_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gradient that is half of what it should be is found out: weights are a quarter."""
    model, ids = llama(num_hidden_layers=4), text(100)
    real = weighing._cost
    monkeypatch.setattr(weighing, "_cost", lambda taken, gradient, labels: real(taken, gradient / 2, labels))
    _, found = weights(model, ids)
    expected, measured = moved(model, lambda: model(ids), found, divergence)
    assert float((expected / measured - 1).abs().max()) > 0.25


def test_only_the_end_of_a_long_text_is_weighed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With gradients for the last 16 of 60 tokens, and no more."""
    monkeypatch.setattr(weighing, "TAIL", 16)
    model = llama()
    seen = []
    real = Weighing.handle

    def handle(self: Any, reached: Any) -> Any:
        seen.append((reached.request.place.query_len, reached.request.place.key_len))
        return real(self, reached)

    monkeypatch.setattr(Weighing, "handle", handle)
    weighed(model, text(60))
    assert seen == [(16, 60), (16, 60)]
    assert all(part.grad is None for part in model.parameters())


class Twice(nn.Module):
    """One attention call whose weights are asked for, one that says nothing, and one that no kernel can do."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = nn.MultiheadAttention(8, 2, batch_first=True)
        self.idle = Looker()
        self.looker = Looker()

    def forward(self, x: Tensor) -> Tensor:
        self.idle(x)
        return self.looker(x + self.asked(x, x, x)[0])


def test_what_cannot_be_answered_has_no_weight_and_what_says_nothing_weighs_nothing() -> None:
    _, found = weights(Twice().eval(), numbers(12))
    assert list(found) == ["idle", "looker"]
    assert found["idle"].tolist() == [0.0, 0.0]
    assert float(found["looker"].min()) > 0


def test_a_call_with_nothing_to_measure_is_answered_all_the_same() -> None:
    empty = request(torch.ones(1, 2, 0, 4), torch.ones(1, 2, 3, 4), torch.ones(1, 2, 3, 4))
    reached = Reached("here", "self", 1, empty, lambda: "own", lambda out: None, Answer(lambda output: output.shape))
    seen = Weighing(Asked(POLICIES, FRACTIONS, 4, seed=0), lambda path: None)
    assert seen.handle(reached) == (1, 2, 0, 4)
    assert (seen.taken, seen.kept) == ([], {})


def test_what_no_kernel_can_do_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(request: Any, kernel: Any) -> Any:
        raise KernelError("none")

    monkeypatch.setattr(weighing, "choose", none)
    with pytest.raises(SpecError, match=r"no head to measure .Looker: none"):
        weighed(Looker(), numbers(12))


def test_a_model_whose_answer_depends_on_no_attention() -> None:
    class Deaf(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            F.scaled_dot_product_attention(x, x, x)
            return x

    with pytest.raises(SpecError, match="depends on no attention"):
        weighed(Deaf(), numbers(12))
