"""Constants taken from the training part: the same as of all of it at once, saved, and never trained."""

from __future__ import annotations

import pytest
import torch

from regard.nn.front_ends.standardised import Standardised
from regard.spec import DataError, ShapeError, SpecError


def test_until_fitted_it_changes_nothing() -> None:
    x = torch.randn(2, 5, 3)
    assert torch.equal(Standardised(3)(x), x)
    assert "channels=3, axis=-1" in repr(Standardised(3))


def test_parts_of_any_size_give_what_all_at_once_gives() -> None:
    x = torch.randn(101, 3, dtype=torch.float64) * torch.tensor([1.0, 100.0, 1e-3]) + torch.tensor([5.0, -1e4, 0.0])
    layer = Standardised(3).double()
    layer.fit(part.clone() for part in (x[:1], x[1:1], x[1:14], x[14:]))
    torch.testing.assert_close(layer.mean, x.mean(0))
    torch.testing.assert_close(layer.deviation, x.std(0, correction=0))
    torch.testing.assert_close(layer(x).mean(0), torch.zeros(3).double(), atol=1e-9, rtol=0)
    torch.testing.assert_close(layer(x).std(0, correction=0), torch.ones(3).double())


def test_a_large_level_does_not_drown_a_small_spread() -> None:
    layer = Standardised(1).double()
    layer.fit(torch.tensor([[level]], dtype=torch.float64) for level in (1e8, 1e8 + 2))
    assert layer.mean.item() == 1e8 + 1
    assert layer.deviation.item() == 1.0


def test_channels_on_another_axis_and_one_that_does_not_vary() -> None:
    pictures = torch.zeros(4, 2, 3, 5)
    pictures[:, 1] = torch.tensor([1.0, 1.0, 3.0, 3.0])[:, None, None]
    layer = Standardised(2, axis=1)
    layer.fit([pictures])
    assert layer.mean.tolist() == [0.0, 2.0]
    assert layer.deviation.tolist() == [1.0, 1.0]
    assert layer(pictures)[:, :, 0, 0].tolist() == [[0, -1], [0, -1], [0, 1], [0, 1]]


def test_constants_are_saved_and_not_trained() -> None:
    layer = Standardised(2)
    layer.set([1.0, 2.0], [3.0, 4.0])
    other = Standardised(2)
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other(torch.ones(1, 2)), layer(torch.ones(1, 2)))
    assert not list(layer.parameters())
    assert layer(torch.ones(1, 2).half()).dtype == torch.float32
    assert layer.double()(torch.ones(1, 2)).dtype == torch.float32


def test_refusals() -> None:
    layer = Standardised(2)
    with pytest.raises(DataError, match="there is no value"):
        layer.fit([])
    with pytest.raises(DataError, match="part 1 holds a value that is not finite"):
        layer.fit([torch.ones(1, 2), torch.tensor([[1.0, float("nan")]])])
    with pytest.raises(ShapeError, match=r"part 0 is .*expected 2 channels along -1"):
        layer.fit([torch.ones(2, 3)])
    with pytest.raises(SpecError, match="1 means and 2 deviations for 2 channels"):
        layer.set([1.0], [1.0, 1.0])
    with pytest.raises(SpecError, match="expected finite numbers above 0"):
        layer.set([1.0, 1.0], [1.0, 0.0])
    with pytest.raises(SpecError, match="channels=0"):
        Standardised(0)
    assert layer.mean.tolist() == [0.0, 0.0]  # what was refused left nothing behind
