"""Pictures made ready: bytes and floats, constants of the training part, changes in training alone."""

from __future__ import annotations

import pytest
import torch

from regard.nn.front_ends import PictureChanges
from regard.nn.front_ends.pictures import Pictures
from regard.spec import ShapeError, SpecError


def test_bytes_are_divided_by_255_and_floats_taken_as_they_are() -> None:
    ready = Pictures(1)
    assert ready(torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 1, 1, 3)).flatten().tolist() == pytest.approx(
        [0.0, 0.2, 1.0]
    )
    assert ready(torch.tensor([-3.0, 7.0]).view(1, 1, 1, 2)).flatten().tolist() == [-3.0, 7.0]
    assert ready(torch.zeros(1, 1, 2, 2).half()).dtype == torch.float32


def test_constants_come_from_what_it_is_fitted_on() -> None:
    ready = Pictures(3)
    train = torch.randint(0, 256, (7, 3, 5, 4), dtype=torch.uint8)
    ready.fit([train[:2], train[2:]])
    made = ready(train)
    torch.testing.assert_close(made.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(made.std((0, 2, 3), correction=0), torch.ones(3))
    assert {"standard.mean", "standard.deviation"} == set(ready.state_dict())


def test_changes_act_in_training_alone_and_blank_is_the_mean() -> None:
    ready = Pictures(1, PictureChanges(cutout=3))
    ready.standard.set([10.0], [2.0])
    pictures = torch.full((4, 1, 9, 9), 14.0)
    assert set(ready(pictures).unique().tolist()) == {0.0, 2.0}
    assert ready.eval()(pictures).unique().tolist() == [2.0]


def test_refusals() -> None:
    with pytest.raises(ShapeError, match=r"expected \(batch, 1, height, width\).*built for 1 channel, 1 is grey"):
        Pictures(1)(torch.zeros(2, 3, 4, 4))
    with pytest.raises(ShapeError, match="built for 3 channels"):
        Pictures(3)(torch.zeros(3, 4, 4))
    with pytest.raises(ShapeError, match="they have no pixels"):
        Pictures(1)(torch.zeros(2, 1, 0, 4))
    with pytest.raises(ShapeError, match=r"an int64 tensor.*expected uint8 \(0 to 255\) or floats"):
        Pictures(1)(torch.zeros(2, 1, 4, 4, dtype=torch.int64))
    with pytest.raises(SpecError, match="channels=0"):
        Pictures(0)
