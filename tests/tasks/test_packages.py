"""Package files: where they lie, what to type for them, held to a checksum."""

from pathlib import Path

import pytest

from regard.spec.errors import DataError, SpecError
from regard.tasks.fetching import fetch
from regard.tasks.packages import Package, cache_folder, command, verify

WHEEL = Package("words", "1.0", "words-1.0.whl", "a" * 64, 3)
SOURCE = Package("lines", "2.0", "lines-2.0.tar.gz", "b" * 64, 3, source_only=True)
DEB = Package("r-cran-words", "3.0-1", "r-cran-words_3.0-1_all.deb", "c" * 64, 3, registry="debian")
NPM = Package("@scope/words", "4.0", "scope-words-4.0.tgz", "d" * 64, 3, registry="npm")
INDEX = Package("Translation-en", "main", "main-Translation-en", "e" * 64, 3, registry="debian index", pinned=False)
MOVING = Package("help", "any", "help.deb", "f" * 64, 3, registry="debian", pinned=False)
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # SHA-256 of "abc", as in FIPS 180-4


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("REGARD_CACHE", str(tmp_path))
    return tmp_path


def test_the_commands_to_type(cache):
    assert command((WHEEL,)) == f"python -m pip download --no-deps --dest {cache} words==1.0"
    assert command((WHEEL, SOURCE)).endswith(f"--no-deps --no-binary lines --dest {cache} words==1.0 lines==2.0")
    assert command((NPM,)) == f"npm pack --pack-destination {cache} @scope/words@4.0"
    assert command((DEB,)) == f"(cd {cache} && apt-get download r-cran-words=3.0-1)"
    assert command((MOVING,)) == f"(cd {cache} && apt-get download help && mv help_*.deb help.deb)"
    assert command((DEB, WHEEL, NPM)) == " && ".join((command((WHEEL,)), command((NPM,)), command((DEB,))))


def test_the_index_is_fetched_into_a_folder_of_our_own(cache):
    typed = command((INDEX,))
    assert f"apt-get -o Dir::State::Lists={cache}/partial/lists -o " in typed
    assert typed.endswith(f" {cache}/main-Translation-en")


def test_a_file_is_held_to_its_checksum(cache):
    WHEEL.path.write_bytes(b"abc")
    assert verify(Package("words", "1.0", "words-1.0.whl", ABC, 3)) == cache / "words-1.0.whl"
    with pytest.raises(DataError, match=r"3 bytes with SHA-256 ba7816bf8f01..., expected 3 with aaaaaaaaaaaa..."):
        verify(WHEEL)


def test_what_is_not_pinned_may_be_another(cache):
    INDEX.path.write_bytes(b"abc")
    assert verify(INDEX) == INDEX.path


@pytest.mark.parametrize("changes", [{"sha256": "12"}, {"size": 0}, {"file": "../words.whl"}])
def test_a_package_that_cannot_be_is_refused(changes):
    given = {"name": "words", "version": "1", "file": "words.whl", "sha256": ABC, "size": 1} | changes
    with pytest.raises(SpecError, match=r"package 'words': .*expected a plain file name, at least one byte and 64 dig"):
        Package(**given)


def test_the_cache_is_at_home_unless_said_otherwise(monkeypatch):
    monkeypatch.delenv("REGARD_CACHE", raising=False)
    assert cache_folder() == Path.home() / ".cache" / "regard"
    monkeypatch.setenv("REGARD_CACHE", "~/data")
    assert cache_folder() == Path.home() / "data"


def test_what_is_installed_is_found_where_it_lies_and_never_fetched(cache):
    import sklearn.datasets

    there = Package(
        "scikit-learn", "1.9.1", "iris.csv", "f" * 64, 3, registry="installed", folder="sklearn/datasets/data"
    )
    assert there.path == Path(sklearn.datasets.__file__).parent / "data" / "iris.csv"
    assert command((there, WHEEL)) == f"{command((WHEEL,))} && python -m pip install scikit-learn==1.9.1"
    with pytest.raises(DataError, match=r"expected 3 with ffffffffffff...; type: .* pip install scikit-learn==1.9.1$"):
        verify(there)


def test_what_is_not_installed_is_told(cache):
    absent = Package("no-such", "1.0", "data.csv", "f" * 64, 3, registry="installed", folder="no_such/data")
    assert not absent.path.exists()
    with pytest.raises(DataError, match=r"data.csv comes with no-such, which is not installed; type: .* no-such==1.0$"):
        fetch([absent])
