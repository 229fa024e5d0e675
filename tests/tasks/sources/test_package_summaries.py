"""Long descriptions and their one line, out of an index as Debian's archive has it."""

import json

import pytest

from regard.spec.errors import DataError
from regard.tasks.event import unheard
from regard.tasks.sources.package_summaries import package_summaries, stanzas

INDEX = """Package: zebra
Description-md5: 0123
Description-en: striped thing
 It has stripes
 all over.
 .
 It can:
  * run
  * stand
 and more.

Package: zebra-dbg
Description-en: nothing more

"""


def test_paragraphs_are_joined_and_lists_stand_alone():
    paragraphs = ["It has stripes all over.", "It can:", "* run", "* stand", "and more."]
    assert list(stanzas(INDEX)) == [("zebra", "striped thing", paragraphs)]


def entry(package, summary, *paragraphs):
    return f"Package: {package}\nDescription-en: {summary}\n " + "\n .\n ".join(paragraphs) + "\n"


def made(tmp_path, *entries):
    (tmp_path / "index").write_text("\n".join(entries), encoding="utf-8")
    package_summaries([tmp_path / "index"], tmp_path / "pairs.jsonl", unheard)
    return [json.loads(line) for line in (tmp_path / "pairs.jsonl").read_text("utf-8").splitlines()]


def test_descriptions_of_40_words_once_each_grouped_by_how_they_begin(tmp_path):
    long, short = "w " * 39 + "w.", "w " * 38 + "w."
    assert made(
        tmp_path,
        entry("libz1", "a library", long, "The library."),
        entry("libz-dev", "its headers", long, "The headers."),
        entry("libz-copy", "the same", long, "The library."),
        entry("brief", "too short", short),
        entry("other", "något annat", "x " + long),
    ) == [
        {"source": f"{long} The library.", "target": "a library", "group": "libz1"},
        {"source": f"{long} The headers.", "target": "its headers", "group": "libz1"},
        {"source": f"x {long}", "target": "något annat", "group": "other"},
    ]


def test_an_index_of_another_language_is_refused(tmp_path):
    with pytest.raises(DataError, match="holds no descriptions in English"):
        made(tmp_path, INDEX.replace("Description-en", "Description-de"))
