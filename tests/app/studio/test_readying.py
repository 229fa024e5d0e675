"""Inputs as they are given, and what becomes of them."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from regard.app.studio.bodies import CompareBody, LookBody
from regard.app.studio.inputs import Input, input_of
from regard.app.studio.readying import title
from regard.app.studio.subjects import Found
from regard.app.studio.typed import explain_line, look_line, train_line

MODEL = Found("1", "model", Path("/m/bert"), "text", True, (), ("look",))
RUN = Found("2", "run", Path("/r/mine"), "text", True, (), ("look",))
PICTURES = Found("3", "run", Path("/r/digits"), "picture", False, (), ("look",))


@pytest.mark.parametrize(
    ("found", "given", "line"),
    [
        (
            MODEL,
            {"text": "it's"},
            "printf %s 'it'\"'\"'s' > input.txt; regard observe --model /m/bert --text input.txt",
        ),
        (
            MODEL,
            {"file": "/f/a b.txt", "tokens": 5},
            "regard observe --model /m/bert --text '/f/a b.txt' --top 8 --tokens 5",
        ),
        (RUN, {"text": "a"}, "printf %s a > input.txt; regard observe --model /r/mine --text input.txt"),
        (RUN, {"file": "/f/a.csv", "row": 2}, "regard explain /r/mine --data /f/a.csv --row 2"),
        (PICTURES, {"file": "/f/a.csv"}, "regard explain /r/digits --data /f/a.csv --html"),
    ],
)
def test_what_to_type_for_a_look(found, given, line):
    assert look_line(found, Input(**given), top=8).startswith(line)


def test_a_long_text_is_not_written_out():
    line = look_line(MODEL, Input(text="word " * 1000), top=8)
    assert "word word" not in line
    assert "your text, 5,000 characters" in line


def test_what_to_type_for_an_explanation():
    assert explain_line(MODEL, Input(text="a")) == "regard explain --model /m/bert --text a --html page.html"
    both = explain_line(RUN, Input(text="a"), ["occlusion", "rollout"], "yes")
    assert both.splitlines()[1] == "regard explain /r/mine --text a --target yes --method rollout --html page.html"


def test_what_to_type_for_a_training():
    words = train_line(
        "classify", "bilstm", "/f/a.csv", {"text": "review"}, {"train.epochs": 2, "train.clip": None}, "/r/x"
    )
    assert words == [
        *("train", "classify", "--out", "/r/x", "--core", "bilstm", "--data", "/f/a.csv", "--column", "text=review"),
        *("--set", "train.epochs=2", "--set", "train.clip=null"),
    ]


def test_a_job_is_called_by_its_model_and_its_input():
    assert title(MODEL, Input(text="one  two\nthree")) == "bert: one two three"
    assert title(MODEL, Input(text="x" * 100)) == f"bert: {'x' * 48}…"
    assert title(RUN, Input(file="/f/a.csv", row=3)) == "mine: a.csv, row 3"


def test_the_input_of_a_body():
    body = LookBody(subject="1", text="a", tokens=3, top=2)
    assert input_of(body) == Input(text="a", tokens=3)
    pairs = CompareBody(subjects=["1", "2"], text="a").pairs()
    assert pairs == [("1", Input(text="a")), ("2", Input(text="a"))]


@pytest.mark.parametrize(
    "given",
    [
        {"subjects": ["1"], "text": "a"},
        {"subjects": ["1", "2"]},
        {"subject": "1", "text": "a"},
        {"subject": "1", "inputs": [{"text": "a"}]},
        {"subject": "1", "inputs": [{"text": "a"}, {}]},
        {"subject": "1", "inputs": [{"text": "a"}, {"text": "b"}], "text": "c"},
        {"subjects": ["1", "2"], "inputs": [{"text": "a"}, {"text": "b"}]},
    ],
)
def test_two_that_are_no_two(given):
    with pytest.raises(ValidationError):
        CompareBody(**given)
