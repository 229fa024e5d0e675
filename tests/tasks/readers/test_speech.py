"""Recordings: refused or converted as was asked for, each by its row."""

import pytest

from regard.tasks.readers.speech import common_rate, read_speech
from regard.tasks.readers.wave_sound import SoundRules

TONE = [0, 9000, 0, -9000] * 20


@pytest.fixture
def recordings(tmp_path, wav, table):
    files = {
        "a.wav": wav(TONE),
        "b.wav": wav(TONE * 2),
        "stereo.wav": wav([[one, 0] for one in TONE]),
        "fast.wav": wav(TONE, rate=16_000),
        "deep.wav": wav([one * 256 for one in TONE], bits=24),
        "silent.wav": wav([0] * 100),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    lines = [f"{name},words {name},{name[0]}" for name in files]
    return table("rows.csv", "path,text,group", *lines, "none.wav,x,y", "a.wav,,y", ",x,y")


def test_by_default_only_what_is_alike_is_read(recordings, reasons):
    reading = read_speech(recordings)
    assert [row.number for row in reading.rows] == [1, 2, 5]
    assert reasons(reading) == {
        3: "stereo.wav has 2 channels, expected 1 (to mix them: sound.channels=mix)",
        4: "fast.wav has 16,000 samples a second, expected 8,000 (to resample it: sound.other_rate=resample)",
        6: "silent.wav is silent for all of its 0.01 seconds",
        7: "there is no file none.wav",
        8: "empty text in column 'text'",
        9: "empty text in column 'path'",
    }
    assert reading.notes == ("1 recordings have other than 16 bits a sample: they are read as they are (rows 5)",)
    assert [one.line for one in reading.refused] == [4, 5, 7, 8, 9, 10]
    first = reading.rows[0]
    assert (first.text, first.group, first.sound.seconds) == ("words a.wav", "a", 0.01)


def test_what_was_asked_for_is_done_and_said(recordings):
    reading = read_speech(recordings, rules=SoundRules(channels="mix", other_rate="resample"))
    assert [row.number for row in reading.rows] == [1, 2, 3, 4, 5]
    assert reading.notes[:2] == (
        "1 recordings have several channels: they are mixed to one (rows 3)",
        "1 recordings have another rate: they are resampled to 8,000 Hz (rows 4)",
    )


def test_a_rate_that_was_asked_for_holds_for_all(recordings):
    reading = read_speech(recordings, rules=SoundRules(rate=16_000))
    assert [row.number for row in reading.rows] == [4]
    assert common_rate(reading.rows) == 16_000


def test_recordings_to_be_written_down(recordings):
    assert [row.text for row in read_speech(recordings, text=None).rows][:1] == [""]


def test_one_recording_to_be_answered_is_its_own_file(recordings, reasons):
    folder = recordings.parent
    (row,) = read_speech(folder / "a.wav", text=None).rows
    assert (row.number, row.path.name, row.text) == (1, "a.wav", "")
    assert row.mark == read_speech(recordings).rows[0].mark
    silent = read_speech(folder / "silent.wav", text=None)
    assert reasons(silent) == {1: "silent.wav is silent for all of its 0.01 seconds"}
    assert reasons(read_speech(folder / "none.wav", text=None)) == {1: "there is no file none.wav"}
