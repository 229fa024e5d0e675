"""What data come down to: any change of a name, a size or a byte is another digest; the order of writing is not."""

import hashlib
import os

import pytest

from regard.spec.errors import DataError
from regard.tasks.readers.digest import data_digest, files_below, files_named


def fill(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


FILES = {"b/x.png": b"123", "a/x.png": b"45", "rows.csv": b"path\n"}


def test_a_file_is_its_sha256(tmp_path):
    fill(tmp_path, {"a.csv": b"abc"})
    assert data_digest(tmp_path / "a.csv") == hashlib.sha256(b"abc").hexdigest()


def test_a_folder_is_names_sizes_and_bytes_in_order(tmp_path):
    folder = fill(tmp_path / "one", {"b": b"yy", "a": b"x"})
    assert data_digest(folder) == hashlib.sha256(b"1 1\nax" + b"1 2\nbyy").hexdigest()


def test_neither_place_nor_time_nor_order_of_writing_matter(tmp_path):
    first = fill(tmp_path / "one", FILES)
    second = fill(tmp_path / "two", dict(reversed(FILES.items())))
    os.utime(second / "a/x.png", (1, 1))
    fill(second, {".DS_Store": b"hidden"})
    assert data_digest(first) == data_digest(second)


@pytest.mark.parametrize(
    "other",
    [
        {"b/x.png": b"124"},
        {"c/x.png": b""},
        {"b/x.png": b"12", "a/x.png": b"345"},
    ],
)
def test_any_change_is_another_digest(tmp_path, other):
    assert data_digest(fill(tmp_path / "one", FILES)) != data_digest(fill(tmp_path / "two", FILES | other))


def test_files_that_rows_name_count(tmp_path):
    fill(tmp_path, FILES)
    table, beside = tmp_path / "rows.csv", [tmp_path / "b/x.png", tmp_path / "a/x.png"]
    before = data_digest(table, beside=beside)
    assert before == data_digest(table, beside=beside[::-1]) != data_digest(table)
    (tmp_path / "a/x.png").write_bytes(b"46")
    assert data_digest(table, beside=beside) != before
    with pytest.raises(DataError, match=r"no such file, though rows\.csv names it"):
        data_digest(table, beside=[tmp_path / "none.png"])


def test_files_below_are_in_order_without_hidden_ones(tmp_path):
    fill(tmp_path, FILES | {".git/x": b"", "a/.x": b""})
    assert [path.relative_to(tmp_path).as_posix() for path in files_below(tmp_path)] == [
        "a/x.png",
        "b/x.png",
        "rows.csv",
    ]
    with pytest.raises(DataError, match="no such folder"):
        files_below(tmp_path / "none")


def test_files_that_a_table_names(tmp_path):
    fill(tmp_path, FILES | {"rows.csv": b"path,text\nb/x.png,one\nnone.png,two\n,three\na/x.png,four\n"})
    named = list(files_named(tmp_path / "rows.csv", ["path", "image"]))
    assert [path.relative_to(tmp_path).as_posix() for path in named] == ["b/x.png", "a/x.png"]
