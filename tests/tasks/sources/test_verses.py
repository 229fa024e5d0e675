"""Verses out of SWORD modules, packed here as the format is described."""

import json
import struct
import zlib

import pytest
from tests.tasks.package_files import debian_package

from regard.spec.errors import DataError
from regard.tasks.event import unheard
from regard.tasks.sources.verses import verse_pairs, verses

FOLDER = "./usr/share/sword/modules/texts/ztext/x"


def module(path, testaments, *, damage=None):
    """testaments: name -> books, each a list of what stands at its places."""
    inside = {}
    for testament, books in testaments.items():
        index, blocks, packed = b"", b"", b""
        for number, book in enumerate(books):
            content = b""
            for place in book:
                index += struct.pack("<IIH", number, len(content), len(place.encode()))
                content += place.encode()
            block = zlib.compress(content)
            blocks += struct.pack("<III", len(packed), len(block), len(content))
            packed += block
        for ending, its in (("bzv", index), ("bzs", blocks), ("bzz", packed)):
            inside[f"{FOLDER}/{testament}.{ending}"] = its
    if damage:
        inside[f"{FOLDER}/{damage}"] = b"cut"
    return debian_package(path, inside)


def chapter(name):
    return f'<div sID="g1" type="x-p"/><chapter n="1" osisID="{name}" sID="{name}"/> '


GENESIS = [
    "",
    chapter("Gen.1"),
    '<w lemma="H1">In the</w> beginning &amp; <note n="a">or <i>at</i> first</note>now',
    "",
]
OLD = {
    "ot": [[], [*GENESIS, "¶ of Adam", chapter("Gen.2"), "<title type='x'>A psalm</title>the heavens"]],
    "nt": [[chapter("Matt.1"), 'begat <chapter eID="Matt.1"/><div type="glossary"/>begat: fathered']],
}
NEW = {  # another versification: it has a preface, and places without a verse
    "ot": [["Preface", chapter("Gen.1"), "At first", "was", "Adam's", "", chapter("Gen.2"), "the sky <lb/>above", ""]],
    "nt": [[chapter("Matt.1"), ""]],
}


def test_verses_by_chapter_and_number_without_markup_notes_and_headings(tmp_path):
    assert verses(module(tmp_path / "kjv.deb", OLD)) == {
        "Gen.1.1": "In the beginning & now",
        "Gen.1.3": "of Adam",
        "Gen.2.1": "the heavens",
        "Matt.1.1": "begat",
    }


def test_verses_of_one_name_are_a_pair_and_a_chapter_is_a_group(tmp_path):
    files = [module(tmp_path / "kjv.deb", OLD), module(tmp_path / "web.deb", NEW)]
    verse_pairs(files, tmp_path / "pairs.jsonl", unheard)
    rows = [json.loads(line) for line in (tmp_path / "pairs.jsonl").read_text("utf-8").splitlines()]
    assert rows == [
        {"source": "In the beginning & now", "target": "At first", "group": "Gen.1"},
        {"source": "of Adam", "target": "Adam's", "group": "Gen.1"},
        {"source": "the heavens", "target": "the sky above", "group": "Gen.2"},
    ]


def test_chapters_that_end_elsewhere_and_those_that_follow_are_left_out(tmp_path):
    def book(*chapters):
        return [one for number, its in enumerate(chapters, 1) for one in (chapter(f"Gen.{number}"), *its.split())]

    ours, theirs = book("a b", "c d e", "f", "g"), book("A B", "C D", "E", "G")
    rest = {"nt": [[chapter("Matt.1"), "h"]]}
    files = [module(tmp_path / f"{name}.deb", {"ot": [its], **rest}) for name, its in (("x", ours), ("y", theirs))]
    verse_pairs(files, tmp_path / "pairs.jsonl", unheard)
    rows = [json.loads(line) for line in (tmp_path / "pairs.jsonl").read_text("utf-8").splitlines()]
    assert [row["source"] + row["target"] for row in rows] == ["aA", "bB", "gG", "hh"]


@pytest.mark.parametrize("damage", ["ot.bzv", "ot.bzs", "nt.bzz"])
def test_files_that_do_not_fit_each_other_are_refused(tmp_path, damage):
    with pytest.raises(DataError, match=r"kjv.deb: files of a testament are missing or do not fit each other"):
        verses(module(tmp_path / "kjv.deb", OLD, damage=damage))


def test_a_testament_that_is_missing_is_told(tmp_path):
    with pytest.raises(DataError, match=r"kjv.deb: files of a testament are missing"):
        verses(module(tmp_path / "kjv.deb", {"ot": OLD["ot"]}))


def test_a_package_without_chapters_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"kjv.deb holds no verses whose chapter is known"):
        verses(module(tmp_path / "kjv.deb", {"ot": [["a", "b"]], "nt": [["c"]]}))
