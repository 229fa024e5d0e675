"""Sound to tokens: lengths at every size, padding without influence, seconds, and the stem against plain layers."""

from __future__ import annotations

import math

import pytest
import torch

from regard.nn.front_ends import AudioFrontEnd, LogMel, SoundChanges
from regard.spec import DataError, Learned, ShapeError, Sinusoidal, SpecError

MEL = LogMel(rate=8000, window=40, hop=16, fft=64, mels=7)


def test_the_stem_is_whispers_two_layers() -> None:
    front_end = AudioFrontEnd(6, MEL)
    samples = torch.randn(2, 16 * 13)
    frames = MEL.frames(samples).transpose(1, 2)
    first, second = front_end.convolutions
    want = torch.nn.functional.conv1d(frames, first.weight, first.bias, padding=1)
    want = torch.nn.functional.gelu(want)
    want = torch.nn.functional.gelu(torch.nn.functional.conv1d(want, second.weight, second.bias, stride=2, padding=1))
    torch.testing.assert_close(front_end(samples).tokens, want.transpose(1, 2))


@pytest.mark.parametrize("strides", [(1,), (2,), (1, 2), (2, 2), (3, 2)])
def test_lengths_are_right_at_every_size(strides: tuple[int, ...]) -> None:
    front_end = AudioFrontEnd(4, MEL, strides=strides).eval()
    for length in range(1, 150):
        want = math.ceil(length / 16)
        for stride in strides:
            want = math.ceil(want / stride)
        assert front_end.count(torch.tensor([length])).tolist() == [want]
        assert front_end(torch.zeros(1, length)).tokens.shape[1] == want


@pytest.mark.parametrize("strides", [(2,), (1, 2), (2, 2)])
def test_what_a_sound_is_padded_to_changes_nothing(strides: tuple[int, ...]) -> None:
    front_end = AudioFrontEnd(6, MEL, strides=strides, positions=Sinusoidal()).eval()
    front_end.standard.set([-4.0] * 7, [3.0] * 7)  # so that 0 is not what silence would be
    lengths = [*range(1, 50), 63, 64, 65, 131]
    sounds = [torch.randn(length) for length in lengths]
    batch = torch.full((len(lengths), 170), float("nan"))
    for row, sound in zip(batch, sounds, strict=True):
        row[: len(sound)] = sound
    made = front_end(batch, torch.tensor(lengths))
    assert made.lengths is not None
    for item, sound in enumerate(sounds):
        alone = front_end(sound[None])
        count = int(made.lengths[item])
        assert alone.tokens.shape[1] == count
        torch.testing.assert_close(made.tokens[item, :count], alone.tokens[0], atol=1e-4, rtol=1e-4)
        assert not made.tokens[item, count:].any()
        assert made.covered(item) == alone.covered(0)


def test_units_are_seconds_around_each_tokens_centre() -> None:
    front_end = AudioFrontEnd(6, MEL)  # a token every 32 samples, 4 ms
    made = front_end(torch.zeros(1, 100))
    spans = [unit.bounds for unit in made.covered(0)]
    flat = [edge for span in spans for edge in span]
    assert flat == pytest.approx([0, 0.002, 0.002, 0.006, 0.006, 0.010, 0.010, 0.0125])
    assert made.covered(0)[1].words() == "0.00-0.01 s"


def test_constants_come_from_real_frames_alone() -> None:
    front_end = AudioFrontEnd(6, MEL)
    samples = torch.randn(3, 200)
    lengths = torch.tensor([200, 32, 0])
    front_end.fit([(samples, lengths), (samples[:1], None)])
    frames = torch.cat((MEL.frames(samples[:1])[0], MEL.frames(samples[1:2, :32])[0], MEL.frames(samples[:1])[0]))
    torch.testing.assert_close(front_end.standard.mean, frames.mean(0))
    torch.testing.assert_close(front_end.standard.deviation, frames.std(0, correction=0))
    with pytest.raises(DataError, match="part 0 holds a value that is not finite"):
        front_end.fit([(torch.full((1, 50), float("nan")), None)])


def test_changes_act_in_training_alone() -> None:
    front_end = AudioFrontEnd(6, MEL, changes=SoundChanges(mels=5, frames=9))
    samples = torch.randn(4, 300)
    assert not torch.equal(front_end(samples).tokens, front_end(samples).tokens)
    torch.manual_seed(2)
    first = front_end(samples).tokens
    torch.manual_seed(2)
    assert torch.equal(first, front_end(samples).tokens)
    front_end.eval()
    assert torch.equal(front_end(samples).tokens, front_end(samples).tokens)


def test_in_bfloat16_frames_are_still_of_float32() -> None:
    front_end = AudioFrontEnd(6, MEL).eval()
    samples = torch.randn(2, 300)
    want = front_end(samples).tokens
    made = front_end.bfloat16()(samples).tokens
    assert made.dtype == torch.bfloat16
    torch.testing.assert_close(made.float(), want, atol=0.05, rtol=0.05)


def test_nothing_to_hear_and_refusals() -> None:
    front_end = AudioFrontEnd(6, MEL, positions=Learned(4))
    assert front_end.longest == 4
    made = front_end(torch.randn(2, 64), torch.tensor([64, 0]))
    assert made.counts.tolist() == [2, 0]
    assert made.covered(1) == ()
    with pytest.raises(ShapeError, match="at least one sample"):
        front_end(torch.zeros(1, 0))
    with pytest.raises(ShapeError, match=r"lengths\[0\] = 65, but there are 64"):
        front_end(torch.zeros(1, 64), torch.tensor([65]))
    with pytest.raises(ShapeError, match="positions 0 to 4 were asked for"):
        front_end(torch.zeros(1, 130))
    with pytest.raises(SpecError, match=r"strides=\(\)\): expected one stride a layer"):
        AudioFrontEnd(6, MEL, strides=())
    with pytest.raises(SpecError, match="strides_1=0"):
        AudioFrontEnd(6, MEL, strides=(1, 0))
