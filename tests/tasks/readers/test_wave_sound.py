"""One wav file: silent, 24 bits, stereo, another rate, no samples, no wav; and its samples, computed by hand."""

import importlib.util
import io

import numpy as np
import pytest

from regard.spec.errors import DataError, SpecError
from regard.tasks.readers.wave_sound import Sound, SoundRules, listen_to, samples_of

TONE = [0, 8192, 0, -8192] * 10


@pytest.mark.parametrize(("bits", "full"), [(8, 128), (16, 32768), (24, 8388608), (32, 2147483648)])
def test_samples_of_every_width(wav, bits, full):
    content = wav([0, full // 2, -full // 2, full - 1, -full], bits)
    assert listen_to(content) == Sound(8000, 1, bits, 5)
    found = samples_of(content, rate=8000)
    assert found.dtype == np.float32
    assert found.tolist() == [0, 0.5, -0.5, np.float32((full - 1) / full), -1]


def test_stereo_is_mixed_to_its_mean(wav):
    content = wav([[16384, 0], [-16384, -16384]])
    assert listen_to(content) == Sound(8000, 2, 16, 2)
    assert samples_of(content, rate=8000).tolist() == [0.25, -0.5]


def test_another_rate_keeps_the_tone(wav):
    seconds = np.arange(8000) / 8000
    content = wav((np.sin(2 * np.pi * 440 * seconds) * 16384).astype(int))
    found = samples_of(content, rate=16_000)
    assert len(found) == 16_000
    expected = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000) / 2
    assert np.abs(found - expected)[200:-200].max() < 2e-3  # the filter's edges aside


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda made: made([]), "has no samples"),
        (lambda made: made([0] * 800), "is silent for all of its 0.10 seconds"),
        (lambda made: made([1200, 1201, 1199] * 100), "is silent"),  # a constant is no sound
        (lambda made: made(TONE)[:-20], "is cut short: 30 of 40 samples are there"),
        (lambda made: made(TONE)[:30], "is cut short or broken"),
        (lambda made: b"", "is empty (0 bytes)"),
        (lambda made: b"ID3\x04 an mp3", "is no wav file"),
    ],
)
def test_what_cannot_be_used(wav, change, said):
    content = change(wav)
    assert said in listen_to(content)


def test_what_cannot_be_read_has_no_samples():
    with pytest.raises(DataError, match="the sound is no wav file"):
        samples_of(b"x", rate=8000)


def test_other_codings_need_a_library_or_are_read_by_it(wav):
    content = bytearray(wav([0, 1065353216], 32))  # the bits of 0.0 and 1.0 in float32
    content[20] = 3  # the header's format: IEEE floats
    found = listen_to(bytes(content))
    if importlib.util.find_spec("soundfile") is None:
        assert "pip install 'regard[audio]'" in found
    else:
        assert found == Sound(8000, 1, 0, 2)
        assert samples_of(bytes(content), rate=8000).tolist() == [0, 1]


def test_both_ways_of_reading_agree(wav):
    soundfile = pytest.importorskip("soundfile", reason="soundfile is not installed: pip install 'regard[audio]'")
    for bits in (8, 16, 24, 32):
        content = wav(np.random.default_rng(bits).integers(-100, 100, 50), bits)
        theirs, rate = soundfile.read(io.BytesIO(content), dtype="float32")
        assert samples_of(content, rate=rate).tolist() == theirs.tolist()


@pytest.mark.parametrize("odd", [{"rate": 0}, {"channels": "both"}, {"other_rate": "drop"}])
def test_rules_that_make_no_sense(odd):
    with pytest.raises(SpecError, match="expected"):
        SoundRules(**odd)
