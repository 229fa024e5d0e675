"""Questions out of an evaluation package's samples."""

import json

import pytest
from tests.tasks.package_files import wheel

from regard.spec.errors import DataError
from regard.tasks.event import unheard
from regard.tasks.sources.stories import quartz, tomi


def made(tmp_path, make, path, *samples):
    lines = "\n".join(
        json.dumps({"input": [{"role": role, "content": said} for role, said in asked], "ideal": ideal})
        for asked, ideal in samples
    )
    package = wheel(tmp_path / "evals.whl", {f"evals/registry/data/{path}": lines + "\n"})
    make([package], tmp_path / "made.jsonl", unheard)
    return [json.loads(line) for line in (tmp_path / "made.jsonl").read_text("utf-8").splitlines()]


def test_the_last_sentence_asks_and_questions_of_one_story_are_a_group(tmp_path):
    story = "Ada entered the hall. The boots is in the box. Ada likes the peach Ben left."
    other = "Ben entered the hall. The boots is in the bag."
    rows = made(
        tmp_path,
        tomi,
        "theory_of_mind/tomi/test.jsonl",
        ([("user", f"{story} Where is the boots really?")], "box"),
        ([("user", f"{other} Where is the boots really?")], "bag"),
        ([("user", f"{story} Where will Ben look for the boots?")], "box"),
    )
    assert rows == [
        {"context": story, "question": "Where is the boots really?", "answer": "box", "group": "story 1"},
        {"context": other, "question": "Where is the boots really?", "answer": "bag", "group": "story 2"},
        {"context": story, "question": "Where will Ben look for the boots?", "answer": "box", "group": "story 1"},
    ]


def test_of_two_ways_the_right_one_in_words(tmp_path):
    rows = made(
        tmp_path,
        quartz,
        "quartz/samples.jsonl",
        ([("system", "Answer."), ("user", "As it cools\nit\n\n A: shrinks\n B: grows?")], "A"),
        ([("user", "Would it\n\n A: sink\n B: float?")], "B"),
    )
    assert rows == [
        {"context": "As it cools it", "question": "shrinks or grows?", "answer": "shrinks"},
        {"context": "Would it", "question": "sink or float?", "answer": "float"},
    ]


@pytest.mark.parametrize("make", [tomi, quartz])
def test_a_text_of_another_form_is_told_by_its_row(tmp_path, make):
    path = {tomi: "theory_of_mind/tomi/test.jsonl", quartz: "quartz/samples.jsonl"}[make]
    with pytest.raises(DataError, match=r"row 1: 'Nothing' is not a text with a question"):
        made(tmp_path, make, path, ([("user", "Nothing")], "A"))
