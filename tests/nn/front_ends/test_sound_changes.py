"""Blanked bands and stretches: how many, how wide, where, and nothing else changed."""

from __future__ import annotations

import pytest
import torch

from regard.nn.front_ends import SoundChanges
from regard.spec import SpecError

LONGEST, MELS = 19, 11


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def runs(blank: torch.Tensor) -> int:
    """Stretches of True in a row of bools."""
    edges = torch.nn.functional.pad(blank.int(), (1, 1)).diff()
    return int((edges == 1).sum())


def test_one_band_and_one_span() -> None:
    frames = torch.ones(300, LONGEST, MELS)
    lengths = torch.full((300,), LONGEST)
    made = SoundChanges(mels=4, frames=5).apply(frames, lengths, seeded())
    widths, heights, starts = set(), set(), set()
    for item in made:
        blank = item == 0
        in_time, in_pitch = blank.all(1), blank.all(0)
        assert torch.equal(blank, in_time[:, None] | in_pitch[None])
        assert runs(in_time) <= 1
        assert runs(in_pitch) <= 1
        widths.add(int(in_time.sum()))
        heights.add(int(in_pitch.sum()))
        starts.update(in_pitch.nonzero().flatten().tolist())
    assert widths == {0, 1, 2, 3, 4, 5}
    assert heights == {0, 1, 2, 3, 4}
    assert starts == set(range(MELS))  # the highest band too


def test_spans_stay_within_a_sounds_own_length_and_share() -> None:
    lengths = torch.tensor([19, 10, 1, 0]).repeat(100)
    made = SoundChanges(mels=0, frames=8, share=0.5).apply(torch.ones(400, LONGEST, MELS), lengths, seeded())
    blank = (made == 0).all(-1)
    for length, most in ((19, 8), (10, 5), (1, 0), (0, 0)):
        these = blank[lengths == length]
        assert int(these.sum(1).max()) == most
        assert not these[:, length:].any()


def test_several_of_each_none_and_seeds() -> None:
    frames, lengths = torch.randn(4, LONGEST, MELS), torch.full((4,), LONGEST)
    nothing = SoundChanges(mels=0, frames=0).apply(frames, lengths)
    assert torch.equal(nothing, frames)
    none = SoundChanges(mels=5, frames=5, bands=0, spans=0).apply(frames, lengths)
    assert torch.equal(none, frames)
    many = SoundChanges(mels=2, frames=2, bands=2, spans=3)
    made = many.apply(frames, lengths, seeded(3))
    assert torch.equal(made, many.apply(frames, lengths, seeded(3)))
    torch.manual_seed(3)
    assert torch.equal(made, many.apply(frames, lengths))
    kept = made != 0
    assert torch.equal(made[kept], frames[kept])
    wider = SoundChanges(mels=99, frames=99).apply(torch.ones(50, 3, 2), torch.full((50,), 3), seeded())
    assert wider.shape == (50, 3, 2)


def test_refusals() -> None:
    with pytest.raises(SpecError, match="mels=-1"):
        SoundChanges(mels=-1, frames=2)
    with pytest.raises(SpecError, match=r"spans=1\.5"):
        SoundChanges(mels=1, frames=2, spans=1.5)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match=r"share=1\.5"):
        SoundChanges(mels=1, frames=2, share=1.5)
