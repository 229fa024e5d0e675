"""Encoded rows in the cache: what went in comes out; a making that was stopped goes on."""

import json

import numpy as np
import pytest

from regard.spec.errors import DataError
from regard.tasks.event import unheard
from regard.tasks.readers import store as made_in
from regard.tasks.readers.flat_file import FlatFile
from regard.tasks.readers.store import made, store_key, stored

ROWS = [[1, 2, 3], [4], [], [5, 6], [7, 8, 9, 10]]


@pytest.fixture(autouse=True)
def _small(tmp_path, monkeypatch):
    monkeypatch.setenv("REGARD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(made_in, "_ROWS", 2)  # rows between two notes


def ids(start, stop):
    return {"ids": ROWS[start:stop], "label": [[row] for row in range(start, stop)]}


def make(encode=ids, key="key", rows=5, listen=unheard):
    return stored(key, {"ids": "int32", "label": "int64"}, rows, encode, listen)


def test_rows_come_out_as_they_went_in():
    store = make()
    assert len(store) == 5
    assert [one.tolist() for one in store.read(0, 5)["ids"]] == ROWS
    assert [one.tolist() for one in store.read(1, 4)["ids"]] == [[4], [], [5, 6]]
    assert [one.tolist() for one in store.read(3, 5)["label"]] == [[3], [4]]
    assert store.columns["ids"].read(1, 2)[0].dtype == np.int32
    assert store.columns["ids"].lengths(0, 5).tolist() == [3, 1, 0, 2, 4]
    assert store.lengths(0, 5).tolist() == [4, 2, 1, 3, 5]  # of both columns together
    assert store.read(2, 2) == {"ids": [], "label": []}


def test_what_is_made_is_not_made_again():
    make()
    assert make(encode=None).read(0, 1)["ids"][0].tolist() == [1, 2, 3]


def test_a_making_that_was_stopped_goes_on_after_its_last_note():
    asked, said = [], []

    def stopped(start, stop):
        if start >= 4:
            raise KeyboardInterrupt
        asked.append(start)
        return ids(start, stop)

    with pytest.raises(KeyboardInterrupt):
        make(stopped)
    folder = make_folder()
    assert made(folder) == 4
    # as if the kill had come in the middle of writing the next rows
    FlatFile(folder / "ids.flat", "int32").add(np.array([99, 99]))
    FlatFile(folder / "ids.starts", "int64").add(np.array([99]))

    def going_on(start, stop):
        asked.append(start)
        return ids(start, stop)

    store = make(going_on, listen=lambda event: said.append(event.text))
    assert asked == [0, 2, 4]
    assert [one.tolist() for one in store.read(0, 5)["ids"]] == ROWS
    assert "going on at row 4" in said[0]


def make_folder():
    from regard.tasks.packages import cache_folder

    return cache_folder() / "rows" / "key"


def test_other_data_have_another_key():
    assert store_key("digest", "vocabulary") != store_key("digest", "vocabular", "y")
    assert store_key("a") == store_key("a")
    assert len(store_key("a")) == 32


def test_a_store_with_more_rows_than_it_should_have_is_refused():
    make()
    with pytest.raises(DataError, match="holds 5 rows, expected 3; delete that folder"):
        make(rows=3)


def test_a_note_that_was_cut_short_counts_as_none():
    make()
    (make_folder() / "made.json").write_text('{"rows"')
    assert made(make_folder()) == 0
    assert [one.tolist() for one in make().read(0, 5)["ids"]] == ROWS
    assert json.loads((make_folder() / "made.json").read_text()) == {"rows": 5}


def test_a_flat_file_that_ends_early_is_no_silence(tmp_path):
    file = FlatFile(tmp_path / "flat", "int64")
    file.add(np.arange(3))
    assert file.read(1, 3).tolist() == [1, 2]
    assert len(file) == 3
    with pytest.raises(EOFError, match="ends 2 numbers early"):
        file.read(1, 5)
