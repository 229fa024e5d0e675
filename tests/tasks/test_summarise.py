"""Summaries: the scores, what they are compared with, and a training on small rows."""

import json

import pytest
from tests.tasks.pair_files import settings, typed, write_pairs

from regard.app.cli import main
from regard.tasks.event import unheard
from regard.tasks.summarise import SUMMARISE

THINGS = ("lamp", "chair", "table", "clock", "door", "window", "shelf", "bed", "cup", "plate")
STATES = ("old", "new", "red", "blue")


def notices():
    """A notice's second sentence says what it is of: 40 pairs."""
    return [
        (f"Good news for you today. We sell a {state} {thing}. Come to the shop.", f"{state} {thing} for sale")
        for state in STATES
        for thing in THINGS
    ]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("pairs") / "notices.jsonl", notices())


def test_baselines_are_the_first_sentence_and_as_many_words_as_a_summary_has(path):
    data = SUMMARISE.prepare(settings(path, task=SUMMARISE, tokens__longest=40), None, unheard)
    found = SUMMARISE.baselines(data)
    assert set(found) == {"first sentence", "first 4 words"}
    assert set(found["first sentence"]) == {"Good news for you today."}
    assert set(found["first 4 words"]) == {"Good news for you"}


def test_rouge_l_is_the_score_that_counts(path):
    setup = SUMMARISE.prepare(settings(path, task=SUMMARISE, tokens__longest=40), None, unheard).setup
    measures = SUMMARISE.measures(setup)
    assert [one.name for one in measures] == ["ROUGE-L", "ROUGE-1", "ROUGE-2"]
    found = measures[0](["red lamp", "cup"], ["old lamp for sale", "cup"], protocol="p")
    assert found.value == pytest.approx((2 / 6 + 1) / 2)  # one of two words, one of four: F1 1/3


def test_it_learns_what_notices_are_of(path, tmp_path, capsys):
    out = tmp_path / "run"
    more = ["--set", "tokens.longest=40", "--set", "writing.longest=12"]
    assert main(["train", "summarise", "--data", str(path), "--out", str(out), *typed(), *more]) == 0
    metrics = json.loads((out / "metrics.json").read_text())
    score, first = metrics["scores"][0]["value"], metrics["baselines"][0]["scores"][0]["value"]
    assert score > 0.5 > first
    capsys.readouterr()
    assert main(["explain", str(out), "--text", notices()[3][0]]) == 0
    assert "Where each word looked" in capsys.readouterr().out
