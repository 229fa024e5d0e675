"""Voices out of MusicXML scores."""

import io
import json
import zipfile
from fractions import Fraction

import pytest
from tests.tasks.package_files import wheel

from regard.tasks.event import unheard
from regard.tasks.sources.chorales import chorales, symbol, voices


def note(step=None, octave=4, length=4, alter=None, more=""):
    alter = f"<alter>{alter}</alter>" if alter is not None else ""
    pitch = f"<pitch><step>{step}</step>{alter}<octave>{octave}</octave></pitch>" if step else "<rest/>"
    length = f"<duration>{length}</duration>" if length else "<grace/>"
    return f"<note>{pitch}{length}{more}</note>"


def score(*parts):
    """A score of parts, each given as its measures; four divisions a quarter."""
    head = "<attributes><divisions>4</divisions></attributes>"
    text = "".join(
        f"<part id='P{number}'><measure>{head}{'</measure><measure>'.join(part)}</measure></part>"
        for number, part in enumerate(parts)
    )
    return f"<?xml version='1.0'?><score-partwise>{text}</score-partwise>".encode()


def test_notes_are_semitones_and_quarters():
    (voice,) = voices(score([note("C"), note("B", 3, 2, -1), note(), note("F", 5, 6, 1)]))
    assert voice == [(48, 1), (46, Fraction(1, 2)), (None, 1), (66, Fraction(3, 2))]
    assert [symbol(sound) for sound in voice] == ["60_1", "58_1/2", "r_1", "78_3/2"]  # MIDI's numbers: 60 is middle C


def test_divisions_may_change_within_a_part():
    (voice,) = voices(score([note("C", length=4), "<attributes><divisions>8</divisions></attributes>" + note("C")]))
    assert [length for _, length in voice] == [1, Fraction(1, 2)]


def test_tied_notes_are_one_and_grace_notes_none():
    begins, ends = "<tie type='start'/>", "<tie type='stop'/>"
    (voice,) = voices(score([note("G", more=begins), note("G", length=2, more=ends) + note("A", length=0)]))
    assert voice == [(55, Fraction(3, 2))]


@pytest.mark.parametrize("second", [note("E", more="<chord/>"), "<backup><duration>4</duration></backup>" + note("E")])
def test_parts_of_several_voices_are_left_out(second):
    assert voices(score([note("C"), second], [note("D")])) == [[(50, 1)]]


def made(tmp_path, scores):
    package = wheel(tmp_path / "music.whl", {f"music21/corpus/bach/{name}": data for name, data in scores.items()})
    heard = []
    chorales([package], tmp_path / "bach.jsonl", heard.append)
    rows = [json.loads(line) for line in (tmp_path / "bach.jsonl").read_text("utf-8").splitlines()]
    return rows, heard[-1].text


def test_a_voice_that_comes_again_transposed_is_written_once_and_joins_the_scores(tmp_path):
    melody, higher = [note("C"), note("D")], [note("F"), note("G")]
    scores = {
        "1.xml": score(melody, [note("E", 3), note("C", 3)]),
        "2.xml": score(higher, [note("A", 3, 8)]),
        "3.xml": score([note("A", 3), note("A", 3)]),
        "notes.txt": "nothing",
    }
    rows, said = made(tmp_path, scores)
    assert rows == [
        {"symbols": "60_1 62_1", "group": "1.xml"},
        {"symbols": "52_1 48_1", "group": "1.xml"},
        {"symbols": "57_2", "group": "1.xml"},  # the other score of that melody
        {"symbols": "57_1 57_1", "group": "3.xml"},
    ]
    assert said == "4 voices out of 3 scores"


def test_a_compressed_score_is_the_score_inside(tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("META-INF/container.xml", "<container/>")
        archive.writestr("bwv1.xml", score([note("C")]))
    rows, _ = made(tmp_path, {"bwv1.mxl": packed.getvalue()})
    assert rows == [{"symbols": "60_1", "group": "bwv1.mxl"}]


def test_unheard_is_enough(tmp_path):
    package = wheel(tmp_path / "music.whl", {"music21/corpus/bach/1.xml": score([note("C")])})
    chorales([package], tmp_path / "bach.jsonl", unheard)
    assert (tmp_path / "bach.jsonl").read_text() == '{"symbols": "60_1", "group": "1.xml"}\n'
