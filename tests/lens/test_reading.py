from dataclasses import replace

import pytest

from regard.lens import LIMITS, Word


def test_segments_give_the_text_back(reading):
    pieces = reading.segments()
    assert "".join(piece for piece, _ in pieces) == reading.text
    assert [piece for piece, word in pieces if word is not None] == ["A", "fine", "film", ",", "truly", "."]
    assert [piece for piece, word in pieces if word is None] == [" <b>", "</b> ", " "]


def test_segments_of_a_text_that_is_only_partly_read(reading):
    cut = replace(reading, text="ab cd ef", words=(Word("cd", 3, 5, 1.0),))
    assert [piece for piece, _ in cut.segments()] == ["ab ", "cd", " ef"]


def test_share_is_of_the_heaviest(reading):
    assert [reading.share(word) for word in reading.words] == pytest.approx([0.25, 1.0, 0.5, 0.125, 0.5, 0.125])
    nothing = Word("x", 0, 1, 0.0)
    assert replace(reading, words=(nothing,)).share(nothing) == 0.0


def test_heaviest(reading):
    assert [word.text for word in reading.heaviest(3)] == ["fine", "film", "truly"]


def test_the_limits_are_said_in_a_line():
    assert "\n" not in LIMITS
    assert "not proof" in LIMITS
