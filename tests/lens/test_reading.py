from dataclasses import replace

import pytest
import torch

from regard.lens import LIMITS, Units


def of(reading, units, weights):
    return replace(
        reading, explanation=replace(reading.explanation, units=units, weights=torch.tensor(weights).double())
    )


def test_segments_give_the_text_back(reading):
    pieces = reading.segments()
    assert "".join(piece for piece, _ in pieces) == reading.explanation.units.source
    assert [piece for piece, place in pieces if place is not None] == ["A", "fine", "film", ",", "truly", "."]
    assert [place for _, place in pieces if place is not None] == [0, 1, 2, 3, 4, 5]
    assert [piece for piece, place in pieces if place is None] == [" <b>", "</b> ", " "]


def test_segments_of_a_text_that_is_only_partly_read(reading):
    cut = of(reading, Units(("cd",), "word", spans=((3, 5),), source="ab cd ef"), [1.0])
    assert [piece for piece, _ in cut.segments()] == ["ab ", "cd", " ef"]


def test_two_units_on_one_character_are_one_piece(reading):
    twice = of(reading, Units(("ﬁ", "ﬁ", "x"), "token", spans=((0, 1), (0, 1), (1, 2)), source="ﬁx"), [1.0, 1.0, 1.0])
    assert [piece for piece, _ in twice.segments()] == ["ﬁ", "x"]


def test_units_that_are_no_parts_of_a_text_are_pieces_with_spaces_between(reading):
    bases = of(reading, Units(("A", "C", "G"), "symbol"), [1.0, 0.0, 0.5])
    assert bases.segments() == (("A", 0), (" ", None), ("C", 1), (" ", None), ("G", 2))


def test_share_is_of_the_largest_and_keeps_the_sign(reading):
    assert [reading.share(place) for place in range(6)] == pytest.approx([0.25, 1.0, 0.5, 0.125, -0.5, 0.125])
    assert of(reading, Units(("x",), "word"), [0.0]).share(0) == 0.0


def test_heaviest_and_what_speaks_against(reading):
    assert [text for text, _ in reading.heaviest(3)] == ["fine", "film", "A"]
    assert reading.against(3) == (("truly", -0.2),)


def test_units_of_one_text_are_listed_with_their_places(reading):
    bases = of(reading, Units(("A", "C", "A", "G", "A"), "symbol"), [0.5, 0.2, 0.9, -0.1, -0.4])
    assert [text for text, _ in bases.heaviest(3)] == ["A (3rd)", "A (1st)", "C"]
    assert [text for text, _ in bases.against(2)] == ["A (5th)", "G"]


def test_the_title_is_the_answer(reading):
    assert reading.title == "good & true (90.0%)"
    assert reading.kind == "word"


def test_the_limits_are_said_in_a_line():
    assert "\n" not in LIMITS
    assert "not proof" in LIMITS
