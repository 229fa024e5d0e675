from dataclasses import dataclass

import pytest

from regard.lens import Reading, RemovalCheck, Word


@dataclass(frozen=True)
class Piece:
    """A token as a model read it."""

    start: int
    end: int
    weight: float


@pytest.fixture
def piece():
    return Piece


@pytest.fixture
def reading():
    """'A <b>fine</b> film, truly.' with weights .1 .2 .4 .2 .05 .05 on six words; nothing on the tags."""
    text = "A <b>fine</b> film, truly."
    places = [(0, 1, 0.1), (5, 9, 0.4), (14, 18, 0.2), (18, 19, 0.05), (20, 25, 0.2), (25, 26, 0.05)]
    return Reading(
        text=text,
        label="good & true",
        probability=0.9,
        probabilities=(("good & true", 0.9), ("bad", 0.1)),
        words=tuple(Word(text[start:end], start, end, weight) for start, end, weight in places),
        unread=3,
        removal=RemovalCheck("good & true", ("fine", "film"), 0.9, 0.3, (0.8, 0.6, 0.2, 0.8), 0),
        model="Read by the bilstm of the run 'x<y>', task sentiment",
    )
