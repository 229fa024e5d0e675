"""Random changes to pictures, each against what its definition allows, pixel by pixel."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import pad

from regard.nn.front_ends import PictureChanges
from regard.spec import SpecError

HEIGHT, WIDTH = 5, 7


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbered(batch: int) -> Tensor:
    """The same picture many times, each pixel another number, none 0."""
    return (1.0 + torch.arange(2 * HEIGHT * WIDTH)).view(1, 2, HEIGHT, WIDTH).repeat(batch, 1, 1, 1)


def test_nothing_asked_nothing_changed() -> None:
    pictures = numbered(2)
    assert PictureChanges().apply(pictures) is pictures


def test_every_shift_is_one_of_the_moves_and_every_move_occurs() -> None:
    pictures = numbered(200)
    wide = pad(pictures[0], (1, 1, 1, 1))
    moves = {
        (down, across): wide[:, 1 - down : 1 - down + HEIGHT, 1 - across : 1 - across + WIDTH]
        for down in (-1, 0, 1)
        for across in (-1, 0, 1)
    }
    seen = set()
    for picture in PictureChanges(shift=1).apply(pictures, seeded()):
        found = [move for move, want in moves.items() if torch.equal(picture, want)]
        assert len(found) == 1
        seen.add(found[0])
    assert seen == set(moves)


def test_flips_change_left_and_right_in_their_share() -> None:
    pictures = numbered(400)
    turned = PictureChanges(flip=0.25).apply(pictures, seeded())
    flipped = [torch.equal(picture, pictures[0].flip(-1)) for picture in turned]
    same = [torch.equal(picture, pictures[0]) for picture in turned]
    assert all(one != other for one, other in zip(flipped, same, strict=True))
    assert 70 <= sum(flipped) <= 130  # 100 expected, deviation 8.7
    assert torch.equal(PictureChanges(flip=1.0).apply(pictures, seeded()), pictures.flip(-1))


def test_a_cutout_is_one_square_cut_at_the_edge() -> None:
    pictures = numbered(300)
    sizes = set()
    for picture in PictureChanges(cutout=3).apply(pictures, seeded()):
        blank = picture == 0
        assert torch.equal(blank[0], blank[1])
        assert torch.equal(picture[~blank], pictures[0][~blank])
        rows, cols = (blank[0].any(axis).nonzero().flatten() for axis in (1, 0))
        box = blank[0, int(rows.min()) : int(rows.max()) + 1, int(cols.min()) : int(cols.max()) + 1]
        assert bool(box.all())
        assert int(blank[0].sum()) == box.numel()
        sizes.add(tuple(box.shape))
    assert sizes == {(high, wide) for high in (2, 3) for wide in (2, 3)}  # of 3, at most 1 lies outside


def test_a_crop_is_a_stretched_part() -> None:
    # a ramp stays a ramp: left to right by at most 1 a pixel, and never beyond its ends
    ramp = torch.arange(64.0).expand(50, 1, 48, 64).clone()
    cropped = PictureChanges(crop=0.25).apply(ramp, seeded())
    assert cropped.shape == ramp.shape
    assert float(cropped.min()) >= 0
    assert float(cropped.max()) <= 63
    steps = cropped[..., 8:56].diff(dim=-1)
    assert float(steps.min()) >= -1e-4
    assert float(steps.max()) <= 1 + 1e-4
    torch.testing.assert_close(cropped, cropped[:, :, :1].expand_as(cropped))
    shares = steps[:, 0, 0].median(-1).values  # of the width: area .25 to 1, and 3/4 to 4/3 as wide as high
    assert 0.25**0.5 * 0.75**0.5 - 0.01 <= float(shares.min()) < 0.6
    assert float(shares.max()) > 0.85


def test_one_seed_one_result_and_pictures_differ() -> None:
    every = PictureChanges(crop=0.5, shift=2, flip=0.5, cutout=2)
    pictures = torch.randn(6, 3, 11, 13)
    made = every.apply(pictures, seeded(5))
    assert torch.equal(made, every.apply(pictures, seeded(5)))
    assert not torch.equal(made, every.apply(pictures, seeded(6)))
    torch.manual_seed(5)
    assert torch.equal(made, every.apply(pictures))
    same = every.apply(pictures[:1].repeat(6, 1, 1, 1), seeded(5))
    assert not torch.equal(same[0], same[1])
    assert every.apply(pictures.double(), seeded(5)).dtype == torch.float64


def test_gradients_reach_the_pixels_that_stay() -> None:
    pictures = numbered(1).requires_grad_()
    PictureChanges(shift=1, cutout=2).apply(pictures, seeded(2)).sum().backward()
    assert pictures.grad is not None
    assert set(pictures.grad.unique().tolist()) == {0.0, 1.0}


def test_refusals() -> None:
    with pytest.raises(SpecError, match=r"crop=0\.0\): expected a share of the area"):
        PictureChanges(crop=0.0)
    with pytest.raises(SpecError, match=r"flip=1\.5\): expected a chance"):
        PictureChanges(flip=1.5)
    with pytest.raises(SpecError, match="shift=-1"):
        PictureChanges(shift=-1)
    with pytest.raises(SpecError, match=r"cutout=2\.0"):
        PictureChanges(cutout=2.0)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match=r"shift=5\): pictures are 5 x 7 pixels"):
        PictureChanges(shift=5).apply(numbered(1))
