"""The digest of a run's data: with the files that a table names."""

import numpy as np
from PIL import Image
from tests.tasks.sound_files import recordings, tones, write_wav

from regard.tasks.event import unheard
from regard.tasks.origin import digest_of
from regard.tasks.sections import DataSettings


def digest(path, kind, named):
    return digest_of(DataSettings(path=str(path)), kind, unheard, named=named)


def test_a_recording_that_changed_is_other_data(tmp_path):
    table = recordings(tmp_path, 3)
    before = digest(table, "speech", "path")
    assert before == digest(table, "speech", "path")
    alone = digest(table, "speech", None)
    write_wav(tmp_path / "01.wav", tones("ti ti"))
    assert digest(table, "speech", "path") != before
    assert digest(table, "speech", None) == alone  # the table's own bytes are as they were


def test_so_is_one_outside_of_the_folder_whose_tables_name_it(tmp_path):
    write_wav(tmp_path / "beside.wav", tones("do"))
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "a.csv").write_text("path,text\n../beside.wav,do\n")
    before = digest(tmp_path / "tables", "speech", "path")
    write_wav(tmp_path / "beside.wav", tones("ti"))
    assert digest(tmp_path / "tables", "speech", "path") != before


def test_a_picture_that_changed_is_other_data(tmp_path):
    (tmp_path / "rows.csv").write_text("image,text\na.png,grey\n")
    Image.fromarray(np.zeros((2, 2), dtype=np.uint8)).save(tmp_path / "a.png")
    before = digest(tmp_path / "rows.csv", "captions", "image")
    Image.fromarray(np.ones((2, 2), dtype=np.uint8)).save(tmp_path / "a.png")
    assert digest(tmp_path / "rows.csv", "captions", "image") != before
