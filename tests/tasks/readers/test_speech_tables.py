"""Several tables of recordings in one folder, and texts of which nothing can be heard."""

import pytest
from tests.tasks.sound_files import RATE, recordings, tones, write_wav

from regard.spec.errors import DataError
from regard.tasks.readers.speech_tables import read_speech_tables
from regard.tasks.readers.wave_sound import SoundRules
from regard.tasks.scores.transcripts import SPOKEN


def read(path, **asked):
    return read_speech_tables(path, rules=SoundRules(**asked), said=SPOKEN.read)


def test_a_folder_is_all_its_tables_rows_numbered_on(tmp_path):
    recordings(tmp_path / "one", 3)
    recordings(tmp_path / "two", 2)
    (tmp_path / "notes.csv").write_text("title\nnothing\n")
    found = read(tmp_path)
    assert [row.number for row in found.rows] == [1, 2, 3, 4, 5]
    assert [row.path.parent.name for row in found.rows] == ["one", "one", "one", "two", "two"]
    assert found.refused == ()


def test_what_is_refused_says_its_table_and_its_row_there(tmp_path):
    recordings(tmp_path / "one", 2)
    table = recordings(tmp_path / "two", 2)
    table.write_text(table.read_text() + "gone.wav,words\n")
    (one,) = read(tmp_path).refused
    assert one.number == 5
    assert one.reason == "two/speech.csv, row 3 (line 4): there is no file gone.wav"


def test_the_rate_is_that_of_most_recordings_of_all_tables(tmp_path):
    recordings(tmp_path / "one", 1)
    write_wav(tmp_path / "one" / "00.wav", tones("do", rate=8000), rate=8000)
    recordings(tmp_path / "two", 3)
    (one,) = read(tmp_path).refused
    assert "has 8,000 samples a second, expected 4,000" in one.reason
    assert [row.sound.rate for row in read(tmp_path, other_rate="resample").rows] == [8000, RATE, RATE, RATE]


def test_a_text_that_cannot_be_heard_is_refused(tmp_path):
    table = recordings(tmp_path, 2)
    table.write_text(table.read_text().replace("Do.", "?!"))
    found = read(table)
    assert [str(one) for one in found.refused] == ["row 1 (line 2): nothing of the text '?!' can be heard"]
    assert [row.number for row in found.rows] == [2]


def test_a_folder_without_such_a_table_is_refused(tmp_path):
    (tmp_path / "notes.csv").write_text("title\nnothing\n")
    with pytest.raises(DataError, match=r"holds no table .* with the columns 'path' and 'text'"):
        read(tmp_path)
