"""What a word is to a tagger: itself, its ending, its shape."""

import json

import pytest

from regard.tasks.tag_data import lexicon, shape


@pytest.mark.parametrize(
    ("word", "expected"),
    [("can", 1), ("don't", 1), ("Can", 2), ("A", 2), ("USA", 3), ("U.S.", 3), ("1961", 4), ("mid-1960s", 4),
     ("McNeil", 5), ("语言", 5), (",", 6), ("``", 6)],
)  # fmt: skip
def test_shapes(word, expected):
    assert shape(word) == expected


def test_words_endings_and_shapes_have_ids_after_padding_and_unknown():
    known = lexicon(json.dumps({"words": ["the", "walking"], "endings": ["ing", "the"]}))
    assert known.features(("The", "walking", "talking", "of")).tolist() == [[2, 3, 2], [3, 2, 1], [1, 2, 1], [1, 1, 1]]
