"""Tunes out of ABC files."""

import json

import pytest
from tests.tasks.package_files import wheel

from regard.tasks.sources.folk_tunes import folk_tunes, symbols

HEAD = ["X:1", "T: A song", "O: Europa", "M: 6/4", "L: 1/4", "K: G"]


def test_a_tune_is_its_metre_unit_and_key_then_notes_rests_bars_and_ties():
    tune = [*HEAD, "A, | G2^A_B/2=f''3/2- | z4 (3abc", "d |"]
    found = "M:6/4 L:1/4 K:G A, | G2 ^A _B/2 =f''3/2- | z4 (3 a b c d |"
    assert symbols(tune) == found.split()


@pytest.mark.parametrize("line", ["A | [CE] | d", "A ~B", 'A "Am" B', "A!"])
def test_what_is_something_else_is_not_read(line):
    assert symbols([*HEAD, line]) is None


def test_a_row_a_tune_and_its_title_is_its_group(tmp_path):
    song = "\n".join([*HEAD, "A B | c2"])
    versions = song.replace("c2", "d2"), song.replace("A song", "Another"), song.replace("| c2", "[c2]")
    package = wheel(
        tmp_path / "music.whl",
        {
            "music21/corpus/essenFolksong/a.abc": f"\n{song}\n\n{versions[0]}\n",
            "music21/corpus/essenFolksong/b.abc": f"\n{versions[1]}\n\n{versions[2]}\n",
            "music21/corpus/other/c.abc": song,
        },
    )
    heard = []
    folk_tunes([package], tmp_path / "tunes.jsonl", heard.append)
    rows = [json.loads(line) for line in (tmp_path / "tunes.jsonl").read_text("utf-8").splitlines()]
    assert rows == [  # the same notes under another title are the same tune
        {"symbols": "M:6/4 L:1/4 K:G A B | c2", "group": "A song"},
        {"symbols": "M:6/4 L:1/4 K:G A B | d2", "group": "A song"},
    ]
    assert heard[0].text == "2 tunes; 1 hold what is no note, rest, bar or tie, and are left out"
