"""Budgets of a run's own layers, and the reasons where a budget is not spent as asked."""

import pytest
import torch

from regard.allocate.spending import Spending
from regard.app.studio.spending_own import Reasons, spent_by
from regard.app.studio.subjects import Found
from regard.nn import MultiHeadAttention
from regard.spec.budget import Budget
from regard.spec.policy import WindowSinks


def found(kind):
    return Found("a", kind, None, "text", True, (), ())


@pytest.fixture
def layer():
    return MultiHeadAttention(8, 2).eval()


def test_a_layer_of_ones_own_is_answered_on_the_budget(layer):
    x = torch.randn(1, 40, 8)
    with torch.no_grad():
        exact = layer(x)
        with spent_by(found("run"), layer, Budget(fraction=0.25, policy=WindowSinks())) as spending:
            less = layer(x)
        with spent_by(found("run"), layer, Budget(fraction=1.0, policy=WindowSinks())):
            whole = layer(x)
    assert isinstance(spending, Spending)
    assert spending.share() == pytest.approx(0.25, abs=0.01)  # ten of forty keys
    assert (whole - exact).abs().max() < 1e-6
    assert (less - exact).abs().max() > 1e-3
    assert torch.equal(layer(x), layer(x))


def test_nothing_stays_after_the_block(layer):
    x = torch.randn(1, 40, 8)
    with torch.no_grad():
        exact = layer(x)
        with pytest.raises(ZeroDivisionError), spent_by(found("run"), layer, Budget(fraction=0.1)):
            raise ZeroDivisionError
        assert torch.equal(layer(x), exact)


def test_reasons_are_told_once_with_their_budgets():
    reasons = Reasons()
    reasons.add(0.1, {"a": "it is odd"}, {"a": "never told: it ran exact", "b": "too few keys"}, 3)
    reasons.add(0.5, {"a": "it is odd"}, {}, 3)
    assert reasons.notes() == [
        "On 10%, 50%: 1 of 3 attention layers ran exact: it is odd",
        "On 10%: 1 of 3 attention layers were spent by window + sinks: too few keys",
    ]


def test_a_budget_is_not_told_twice():
    reasons = Reasons()
    reasons.add(0.2, {}, {"a": "Budget(fraction=0.2, policy=Focus(sketch=0.5)) is less than the sketch takes"}, 1)
    assert reasons.notes()[0].endswith("window + sinks: the budget is less than the sketch takes")
