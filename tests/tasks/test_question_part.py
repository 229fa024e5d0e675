"""Where answers stand, and how questions become batches."""

import numpy as np

from regard.tasks.question_part import Asking, QuestionPart, places_of

TEXT = "Anna has the red box. The box is red."
SPANS = ((0, 4), (5, 8), (9, 12), (13, 16), (17, 20), (20, 21), (22, 25), (26, 29), (30, 32), (33, 36), (36, 37))


def asking(ids, places, *, first, target=0):
    return Asking(np.array(ids), SPANS[: len(ids)], first, TEXT, "?", places, target)


def test_an_answer_stands_wherever_whole_tokens_say_it():
    assert places_of("red box", TEXT, SPANS) == ((3, 4),)
    assert places_of("box", TEXT, SPANS) == ((4, 4), (7, 7))
    assert places_of(" THE ", TEXT, SPANS) == ((2, 2), (6, 6))
    assert places_of("re", TEXT, SPANS) == ()  # a part of a word is none
    assert places_of("blue", TEXT, SPANS) == places_of("", TEXT, SPANS) == ()


def test_what_is_read_out_is_what_stands_there():
    row = asking([5] * 11, ((3, 4),), first=6)
    assert row.said(3, 4) == "red box"
    assert row.said(4, 4) == "box"
    assert row.words[:2] == ("Anna", "has")
    assert row.words[6:8] == ("question: The", "question: box")


def test_batches_are_padded_and_tell_text_from_question():
    part = QuestionPart(
        [asking([5, 6, 7], ((0, 0), (2, 2)), first=2), asking([8, 9], (), first=1, target=-1)], ["a", "b"]
    )
    assert part.lengths.tolist() == [3, 2]
    batch = part.batch(np.array([1, 0]))
    assert batch.ids.tolist() == [[8, 9, 0], [5, 6, 7]]
    assert batch.kinds.tolist() == [[0, 1, 0], [0, 0, 1]]
    assert batch.starts.tolist() == [[-1, -1], [0, 2]]
    assert batch.ends.tolist() == [[-1, -1], [0, 2]]
    assert batch.targets.tolist() == [-1, 0]
    assert (batch.tokens, batch.places, len(batch)) == (5, 6, 2)
    assert batch.to("cpu").rows == batch.rows
