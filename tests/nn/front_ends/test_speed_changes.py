"""Sounds played faster and slower: lengths by hand, the same for one seed."""

import pytest
import torch

from regard.nn.front_ends.speed_changes import SpeedChanges
from regard.spec.errors import SpecError


class Drawn:
    """Puts a number in the place of the one that would be drawn."""

    def __init__(self, monkeypatch, value):
        monkeypatch.setattr(
            "regard.nn.front_ends.speed_changes.uniform", lambda *shape, generator: torch.full(shape, value)
        )


def test_at_a_quarter_faster_five_samples_become_four(monkeypatch):
    Drawn(monkeypatch, 1.0)  # the fastest: 1 + 0.25
    samples = torch.tensor([[0.0, 1, 2, 3, 4], [0, 1, 2, 0, 0]])
    changed, lengths = SpeedChanges(0.25).apply(samples, torch.tensor([5, 3]))
    assert changed.shape == (2, 4)
    # the middle of new sample i lies at (i + 1/2) * 5/4 - 1/2 of the old ones
    torch.testing.assert_close(changed[0], torch.tensor([0.125, 1.375, 2.625, 3.875]))
    assert lengths.tolist() == [4, 2]


def test_in_the_middle_nothing_changes(monkeypatch):
    Drawn(monkeypatch, 0.5)
    samples, lengths = torch.randn(2, 7), torch.tensor([7, 4])
    changed, after = SpeedChanges(0.2).apply(samples, lengths)
    assert changed is samples
    assert after is lengths


def test_slower_is_longer_and_no_sound_loses_its_last_sample(monkeypatch):
    Drawn(monkeypatch, 0.0)
    changed, lengths = SpeedChanges(0.2).apply(torch.ones(3, 8), torch.tensor([8, 1, 0]))
    assert changed.shape == (3, 10)
    assert lengths.tolist() == [10, 1, 0]
    Drawn(monkeypatch, 1.0)
    assert SpeedChanges(0.4).apply(torch.ones(2, 10), torch.tensor([10, 1]))[1].tolist() == [7, 1]


def test_one_seed_gives_one_speed():
    samples, lengths = torch.randn(1, 100), torch.tensor([100])
    first, second = (SpeedChanges().apply(samples, lengths, torch.Generator().manual_seed(3))[0] for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("most", [-0.1, 0.5, "fast", float("nan")])
def test_what_is_no_share_of_the_speed_is_refused(most):
    with pytest.raises(SpecError, match="expected a share of the speed"):
        SpeedChanges(most)
