"""What lies inside package files, of each of the three kinds."""

import pytest
from tests.tasks.package_files import debian_package, tarball, wheel

from regard.spec.errors import DataError
from regard.tasks.archive import files, member, members

INSIDE = {
    "words/data/": "",
    "words/data/b.txt": "b",
    "words/data/empty/": "",
    "words/data/a.txt": "好\n",
    "words/data/a.csv": "x,y",
    "words/database.txt": "no",
}


@pytest.fixture(params=[(wheel, "words.whl"), (tarball, "words.tar.gz"), (debian_package, "words.deb")])
def packed(request, tmp_path):
    write, name = request.param
    return write(tmp_path / name, INSIDE)


def test_one_file_by_its_path(packed):
    assert member(packed, "words/data/a.txt").decode() == "好\n"
    with pytest.raises(DataError, match=rf"{packed.name} holds no readable nothing.txt"):
        member(packed, "nothing.txt")


def test_all_files_of_a_folder_in_the_order_of_the_archive(packed):
    assert list(files(packed, "words/data")) == [("b.txt", b"b"), ("a.txt", "好\n".encode()), ("a.csv", b"x,y")]
    assert list(files(packed, "words/data", ending=".csv")) == [("a.csv", b"x,y")]
    with pytest.raises(DataError, match=rf"{packed.name} holds no file words/dat/\*.csv; delete it"):
        list(files(packed, "words/dat", ending=".csv"))


def test_the_names_in_a_wheel(tmp_path):
    path = wheel(tmp_path / "words.whl", INSIDE)
    assert members(path, "words/data") == ["words/data/a.csv", "words/data/a.txt", "words/data/b.txt"]


@pytest.mark.parametrize("cut", [5, 100, 300])
def test_a_debian_package_cut_short_is_refused(tmp_path, cut):
    path = debian_package(tmp_path / "words.deb", INSIDE)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match=r"delete it and fetch it again"):
        member(path, "words/data/a.txt")
    with pytest.raises(DataError, match=r"words.deb cannot be read below words/data"):
        list(files(path, "words/data"))


def test_an_archive_that_is_none_is_refused(tmp_path):
    path = tmp_path / "words.tgz"
    path.write_bytes(b"not it")
    with pytest.raises(DataError, match=r"words.tgz cannot be read below words"):
        list(files(path, "words"))
