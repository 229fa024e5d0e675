"""The estimate of an error, over every sample that could have been drawn."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from regard.kernels import focus_bound
from regard.kernels.focus_bound import Evidence, estimate

KEYS, SIZE = 5, 3
CHANCE = torch.tensor([[1.0, 0.8, 0.5, 0.4, 0.2]])


def evidence(read: tuple[bool, ...], seed: int = 0) -> Evidence:
    """Of five keys in one block those that are read; what was not read weighs nothing and stands on a chance of 1."""
    source = torch.Generator().manual_seed(seed)
    weights, sketched = torch.rand(2, 1, 1, KEYS, generator=source) + 0.5
    values, mean = torch.randn(1, KEYS, SIZE, generator=source), torch.randn(1, 1, SIZE, generator=source)
    there = torch.tensor([read])
    return Evidence(
        weights=weights * there[:, None],
        values=values * there[..., None],
        chance=CHANCE.masked_fill(~there, 1.0),
        sketched=sketched * there[:, None],
        means=mean.expand(1, KEYS, SIZE),
        unread=(sketched * ~there[:, None]).sum(-1, keepdim=True),
        block_means=mean,
        late=torch.zeros(1, 1),
        late_sum=torch.zeros(1, 1, SIZE),
        score_noise=torch.zeros(1, 1),
        value_noise=torch.zeros(1),
        rounded=torch.zeros(1, KEYS),
    )


def draws() -> list[tuple[tuple[bool, ...], float]]:
    """Every sample, and how probable it is."""
    chances = CHANCE[0].tolist()
    found = []
    for read in itertools.product((True, False), repeat=KEYS):
        each = [chance if taken else 1 - chance for taken, chance in zip(read, chances, strict=True)]
        found.append((read, math.prod(each)))
    return found


def variance(found: Evidence) -> Tensor:
    """What is told of the sampling error's square, of the weighted sum of values: nothing is divided or taken off."""
    zero, beyond = torch.zeros(1, SIZE), 1 / found.chance - 1
    probes = focus_bound.numbers_of_sign(SIZE, zero)
    full, _ = focus_bound._of_head(found, found.sketched[:, 0], beyond, zero, torch.ones(1), probes, 0.0, 0)
    return full


def test_the_variance_is_right_on_average(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mean over all samples is the sum of |d|^2 (1 / p - 1), with d what a key differs from its sketch."""
    monkeypatch.setattr(focus_bound, "WIDEST", 0.0)
    whole = evidence((True,) * KEYS)
    apart = whole.weights[0, 0, :, None] * whole.values[0] - whole.sketched[0, 0, :, None] * whole.means[0]
    wanted = (apart.square().sum(-1) * (1 / CHANCE[0] - 1)).sum()
    mean = sum(float(variance(evidence(read))) * probable for read, probable in draws())
    assert mean == pytest.approx(float(wanted), rel=1e-5)


def test_wide_differences_from_the_sketch_are_reckoned_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of a third and of three times the sketch's: the variance of logarithms is log(3)^2 = 1.2."""
    found = evidence((True,) * KEYS)
    far = replace(found, weights=found.sketched * torch.tensor([1.0, 3.0, 1 / 3, 3.0, 1 / 3]))
    more = variance(far)
    monkeypatch.setattr(focus_bound, "WIDEST", 0.0)
    assert more > 1.2 * variance(far)


def test_all_sketch_weights_are_multiplied_by_what_the_drawn_keys_show() -> None:
    found = evidence((True,) * KEYS)
    double = replace(found, weights=2 * found.sketched)
    beyond = 1 / found.chance - 1
    torch.testing.assert_close(focus_bound._rate(double, beyond), torch.tensor([[2.0]]))
    none = replace(found, chance=torch.ones(1, KEYS))
    assert torch.equal(focus_bound._rate(none, torch.zeros(1, KEYS)), torch.ones(1, 1))
    far = replace(found, weights=1000 * found.sketched)
    assert torch.equal(focus_bound._rate(far, beyond), torch.tensor([[10.0]]))


def test_what_rounding_does() -> None:
    """One key of all the weight, rounded: its score does nothing then, its value has the variance that is given."""
    found = evidence((True, False, False, False, False))
    one = replace(
        found,
        values=torch.tensor([[[3.0, 0.0, 4.0]] + [[0.0] * 3] * 4]),
        unread=torch.zeros(1, 1, 1),
        rounded=torch.ones(1, KEYS),
        score_noise=torch.full((1, 1), 9.0),
        value_noise=torch.tensor([0.01]),
    )
    known = estimate(one, 0.95)
    torch.testing.assert_close(known.output, torch.tensor([[[3.0, 0.0, 4.0]]]))
    square = 0.01 * focus_bound.ROUNDED
    wanted = torch.tensor([[math.sqrt(square / (25 - square))]])
    torch.testing.assert_close(known.error, wanted)
    torch.testing.assert_close(known.rounding, wanted)


def test_an_error_as_large_as_the_output_has_no_bound() -> None:
    assert (
        focus_bound._relative(torch.tensor([0.0, 0.5, 1.0, 2.0]), torch.ones(4)).tolist() == [0.0, 1.0] + [math.inf] * 2
    )


def test_bounds_rise_with_confidence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(focus_bound, "FEWEST", 1)
    found = evidence((True, True, True, True, False))
    found = replace(found, late=torch.full((1, 1), 50.0), late_sum=torch.full((1, 1, SIZE), 50.0))
    bounds = [float(estimate(found, confidence).error) for confidence in (0.5, 0.8, 0.95, 0.999)]
    assert bounds == sorted(bounds)
    assert 0 < bounds[0] < bounds[-1] < math.inf
