"""Log-mel frames against a slow NumPy truth, and against Whisper's own extractor at Whisper's settings."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tests.nn.front_ends import mel_reference

from regard.nn.front_ends import LogMel
from regard.nn.front_ends.log_mel import hertz_of, mels_of
from regard.spec import ShapeError, SpecError

TELEPHONE = LogMel(rate=8000, window=200, hop=80, fft=256, mels=40)
SETTINGS = {
    "whisper": LogMel(),
    "whisper, clipped": LogMel(span=2.0),
    "8 kHz": TELEPHONE,
    "8 kHz, htk": LogMel(rate=8000, window=200, hop=80, fft=256, mels=23, low=125.0, high=3800.0, scale="htk"),
    "equal heights": LogMel(rate=8000, window=256, hop=128, mels=20, area=False, floor=1e-5),
    "odd sizes": LogMel(rate=11_025, window=251, hop=97, fft=331, mels=17),
}


def sound(samples: int, seed: int = 0) -> np.ndarray:
    """A few tones under noise, from quiet to loud."""
    noise = np.random.default_rng(seed)
    at = np.arange(samples) / 8000
    tones = np.sin(2 * np.pi * 440 * at) + 0.3 * np.sin(2 * np.pi * 1330 * at + 1)
    return np.asarray(0.3 * tones * np.linspace(0.01, 1, samples) + 1e-3 * noise.standard_normal(samples))


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("samples", [1, 2, 79, 401, 1601])
def test_against_the_slow_truth(name: str, samples: int) -> None:
    settings, given = SETTINGS[name], sound(samples)
    want = torch.from_numpy(mel_reference.log_mel(given, settings))
    exact = settings.frames(torch.from_numpy(given)[None])
    assert exact.dtype == torch.float64
    torch.testing.assert_close(exact[0], want, atol=1e-6, rtol=0)
    single = settings.frames(torch.from_numpy(given)[None].float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single[0].double(), want, atol=2e-3 if samples < 3 else 1e-4, rtol=0)


@pytest.mark.parametrize("samples", [16_000, 4_800, 12_345])
def test_against_whispers_own(samples: int) -> None:
    transformers = pytest.importorskip("transformers")
    extractor = transformers.WhisperFeatureExtractor()
    given = sound(samples).astype(np.float32)
    ours = (LogMel(span=8.0).frames(torch.from_numpy(given)[None])[0] + 4) / 4
    numpy = extractor._np_extract_fbank_features(given[None], "cpu")[0].T
    torchs = extractor._torch_extract_fbank_features(given, "cpu").T
    whole = samples // 160  # Whisper leaves the last, started hop out
    assert ours.shape[0] == -(-samples // 160)
    for theirs in (numpy, torchs):
        assert theirs.shape == (whole, 80)
        assert float(np.abs(ours[:whole].numpy() - theirs).max()) < 1e-4
    padded = extractor(given, sampling_rate=16_000, padding="do_not_pad", return_tensors="np")["input_features"][0].T
    assert float(np.abs(ours[:whole].numpy() - padded).max()) < 1e-4


@pytest.mark.parametrize("scale", ["slaney", "htk"])
def test_filters_and_scales_against_the_peer(scale: str) -> None:
    audio_utils = pytest.importorskip("transformers.audio_utils")
    settings = LogMel(rate=8000, window=200, fft=512, mels=30, low=50.0, high=3500.0, scale=scale)
    theirs = audio_utils.mel_filter_bank(257, 30, 50.0, 3500.0, 8000, norm="slaney", mel_scale=scale)
    np.testing.assert_allclose(settings.filters(), theirs, atol=1e-12)
    np.testing.assert_allclose(settings.filters(), mel_reference.triangles(settings).T, atol=1e-12)
    places = np.array([0.0, 60.0, 999.0, 1000.0, 4000.0])
    np.testing.assert_allclose(hertz_of(mels_of(places, scale), scale), places, atol=1e-9)


def test_scales_by_hand() -> None:
    assert mels_of(np.array([0.0, 200.0, 1000.0, 6400.0]), "slaney") == pytest.approx([0, 3, 15, 42])
    assert mels_of(np.array([0.0, 700.0]), "htk") == pytest.approx([0, 2595 * math.log10(2)])


def test_a_tone_is_loudest_in_its_band() -> None:
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(1600) / 8000)[None]
    frames = TELEPHONE.frames(tone)[0]
    bands = TELEPHONE.filters()
    hertz = np.arange(129) * 8000 / 256
    for band in frames[2:-2].argmax(-1).tolist():
        assert abs(float(hertz[bands[:, band].argmax()]) - 1000) <= 62.5  # two bins


@pytest.mark.parametrize("longer", [1, 79, 80, 500])
def test_padding_changes_no_frame(longer: int) -> None:
    lengths = [1, 2, 79, 80, 81, 160, 203]
    sounds = [torch.from_numpy(sound(length, seed=length)).float() for length in lengths]
    batch = torch.full((len(lengths), max(lengths) + longer), float("nan"))
    for row, each in zip(batch, sounds, strict=True):
        row[: len(each)] = each
    clipped = LogMel(rate=8000, window=200, hop=80, fft=256, mels=40, span=1.0)
    for settings in (TELEPHONE, clipped):
        padded = settings.frames(batch, torch.tensor(lengths))
        counts = settings.count(torch.tensor(lengths))
        assert counts.tolist() == [1, 1, 1, 1, 2, 2, 3]
        for row, each, count in zip(padded, sounds, counts.tolist(), strict=True):
            torch.testing.assert_close(row[:count], settings.frames(each[None])[0], atol=1e-4, rtol=0)
            assert not row[count:].any()


def test_whole_numbers_silence_and_nothing() -> None:
    given = torch.from_numpy(sound(400))[None]
    whole = (given * 32768).round().to(torch.int16)
    torch.testing.assert_close(TELEPHONE.frames(whole), TELEPHONE.frames(whole.float() / 32768))
    silent = TELEPHONE.frames(torch.zeros(1, 200))
    assert silent.unique().tolist() == pytest.approx([-10.0])
    frames = TELEPHONE.frames(torch.zeros(2, 200), torch.tensor([200, 0]))
    assert not frames[1].any()
    assert TELEPHONE.frames(given.bfloat16()).dtype == torch.float32


def test_refusals() -> None:
    for wrong in (torch.zeros(5), torch.zeros(2, 2, 5), torch.zeros(2, 0)):
        with pytest.raises(ShapeError, match=r"expected \(batch, samples\) with at least one sample: one channel"):
            TELEPHONE.frames(wrong)
    with pytest.raises(ShapeError, match=r"an int64 tensor.*expected floats from -1 to 1, or int16"):
        TELEPHONE.frames(torch.zeros(1, 5, dtype=torch.int64))
    for settings, words in (
        ({"scale": "bark"}, "expected 'slaney' or 'htk'"),
        ({"high": 9000.0}, "low < high <= 8000, half the rate"),
        ({"low": 5000.0, "high": 400.0}, "low < high"),
        ({"fft": 256}, "as long as the window"),
        ({"floor": 0.0}, "expected a power above 0"),
        ({"span": -1.0}, "expected a number above 0, or None"),
        ({"hop": 0}, "hop=0"),
        ({"mels": 400}, "lies between two frequencies of the transform.*take fewer bands, or a longer fft"),
    ):
        with pytest.raises(SpecError, match=words):
            LogMel(**settings)  # type: ignore[arg-type]
