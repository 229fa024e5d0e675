"""Optimizers: one step by hand, and what weight decay is on."""

import pytest
import torch
from torch import nn

from regard.tasks.settings import TrainSettings
from regard.train.optimizer import optimizer_for


def stepped(**settings):
    model = nn.Linear(1, 1)
    with torch.no_grad():
        model.weight.fill_(2.0)
        model.bias.fill_(2.0)
    optimizer = optimizer_for(model, TrainSettings(**settings))
    (model.weight.sum() * 3.0 + model.bias.sum() * 3.0).backward()
    optimizer.step()
    return model.weight.item(), model.bias.item()


def test_sgd_goes_against_the_gradient():
    assert stepped(optimizer="sgd", rate=0.1, weight_decay=0.0) == pytest.approx((1.7, 1.7))


def test_sgd_decays_matrices_and_no_biases():
    # weight: 2 - 0.1 * (3 + 0.5 * 2); bias: 2 - 0.1 * 3
    assert stepped(optimizer="sgd", rate=0.1, weight_decay=0.5) == pytest.approx((1.6, 1.7))


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_adams_first_step_is_the_rate(optimizer):
    assert stepped(optimizer=optimizer, rate=0.1, weight_decay=0.0) == pytest.approx((1.9, 1.9), abs=1e-5)


def test_adamw_decays_apart_from_the_gradient_and_adam_with_it():
    # AdamW: 2 * (1 - 0.1 * 0.5) - 0.1; Adam: the decay only enlarges a gradient that is normalised anyway
    assert stepped(optimizer="adamw", rate=0.1, weight_decay=0.5)[0] == pytest.approx(1.8, abs=1e-5)
    assert stepped(optimizer="adam", rate=0.1, weight_decay=0.5)[0] == pytest.approx(1.9, abs=1e-5)
