"""Mean frames: a low tone and a high one differ in the bands that they have."""

import torch
from tests.tasks.sound_files import RATE, tones

from regard.nn.front_ends import LogMel
from regard.tasks.baselines.sounds import mean_frames


def test_it_is_the_mean_of_each_band_and_hears_pitch():
    mel = LogMel(rate=RATE, window=100, hop=40, fft=128, mels=8)
    sounds = [torch.from_numpy(tones(words))[None] for words in ("do", "ti", "do do")]
    found = mean_frames(mel, iter(sounds))
    assert found.shape == (3, 8)
    torch.testing.assert_close(
        torch.from_numpy(found[0]), mel.frames(sounds[0])[0].double().mean(0), rtol=1e-5, atol=1e-5
    )
    assert found[0].argmax() < found[1].argmax()
    assert found[0].argmax() == found[2].argmax()
