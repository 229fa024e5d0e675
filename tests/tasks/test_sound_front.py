"""Frames and tokens of recordings, as the settings say: numbers by hand."""

import pytest
import torch

from regard.tasks.sections import SoundSettings
from regard.tasks.settings import changed
from regard.tasks.sound_front import count_tokens, mel_of, sound_front
from regard.tasks.speech import SPEECH
from regard.tasks.task import Setup


def setup(rate=8000, **sound):
    asked = changed(SPEECH.settings(), {f"sound.{name}": value for name, value in sound.items()})
    mels = asked.section(SoundSettings).mels
    return Setup(asked, {"rate": rate, "mean": [-5.0] * mels, "deviation": [2.0] * mels})


@pytest.mark.parametrize(("rate", "window", "hop", "fft"), [(8000, 200, 80, 256), (16_000, 400, 160, 512)])
def test_a_window_is_25_ms_and_a_step_10(rate, window, hop, fft):
    mel = mel_of(setup(rate))
    assert (mel.window, mel.hop, mel.size, mel.top) == (window, hop, fft, rate / 2)


@pytest.mark.parametrize(("stride", "tokens"), [(1, 100), (2, 50), (4, 25), (8, 13)])
def test_a_second_has_a_hundred_frames_over_the_stride(stride, tokens):
    made = setup(stride=stride)
    assert count_tokens(made, torch.tensor([8000, 1])).tolist() == [tokens, 1]
    front = sound_front(made).eval()
    assert front(torch.zeros(1, 8000, dtype=torch.int16), torch.tensor([8000])).tokens.shape == (1, tokens, front.dim)
    assert front.longest is None
    assert front.units(8000).of(0, tokens)[-1].bounds[1] == 1.0


def test_speed_changes_in_training_alone_and_follow_the_samples():
    front = sound_front(setup(speed=0.4, masks=0))
    samples, lengths = torch.randint(-9000, 9000, (2, 8000), dtype=torch.int16), torch.tensor([8000, 4000])
    torch.manual_seed(3)
    counts = [front(samples, lengths).counts.tolist() for _ in range(4)]
    assert len({tuple(one) for one in counts}) > 1
    assert all(abs(long - 2 * short) <= 1 for long, short in counts)
    assert front.eval()(samples, lengths).counts.tolist() == [25, 13]


def test_masks_blank_a_seventh_of_the_bands_and_half_a_second_at_most():
    changes = sound_front(setup(masks=3)).audio.changes
    assert (changes.bands, changes.spans, changes.mels, changes.frames) == (3, 3, 6, 50)
    assert sound_front(setup()).audio.standard.mean.tolist() == [-5.0] * 40
