"""Which words an answer rests on: read out where it stands, or chosen."""

import json

import pytest
import torch
from tests.tasks.test_answer import SMALL, questions
from tests.tasks.untrained import untrained, without

from regard.lens.explain import weigh
from regard.lens.methods import METHODS
from regard.spec.errors import SpecError
from regard.tasks.answer import ANSWER
from regard.tasks.sections import DataSettings
from regard.tasks.settings import changed

TEXT = "The key was in the hall. Then it went to the yard. Where is it now?"


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("questions") / "stories.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in questions()))
    return path


def asked(table, by):
    values = {"data": DataSettings(path=str(table)).model_dump(), "answers.by": by, **SMALL}
    return untrained(ANSWER, changed(ANSWER.settings(), values))[0]


def test_an_answer_that_is_read_out_is_as_probable_as_all_its_places(table):
    run = asked(table, "place")
    question = run.question(TEXT, "the")  # stands three times
    batch = run.typed([TEXT]).part.batch(torch.tensor([0]).numpy())
    with torch.no_grad():
        start, end = run.model(*batch.inputs)
    places = [place for place, text in enumerate(question.units.texts) if text.lower() == "the"]
    assert len(places) == 3
    expected = sum(float((start[0, place] + end[0, place]).exp()) for place in places)
    assert question.probability == pytest.approx(expected, rel=1e-4)
    assert question.units.source.endswith("yard. Where is it now?")
    assert list(question.ways) == ["mask", "zero", "mean"]  # left out, an answer would stand elsewhere
    with pytest.raises(SpecError, match="stands nowhere in the text"):
        run.question(TEXT, "cellar")


def test_a_word_that_is_masked_is_one_that_is_not_known(table):
    """ "zzz" is in no vocabulary, and stands for <unknown>."""
    run = asked(table, "class")
    question = run.question(TEXT, "hall")
    other = run.question(TEXT.replace("key", "zzz"), "hall")
    place = question.units.texts.index("key")
    found = question.scores(without(question, place), "mask").exp().item()
    assert found == pytest.approx(other.probability, rel=1e-4)


@pytest.mark.parametrize("by", ["place", "class"])
def test_every_method_answers_by_words(table, by):
    run = asked(table, by)
    question = run.question(TEXT, words=True)
    assert (
        question.target
        == run.task.answer(run.model, run.typed([TEXT]).part.batch(torch.tensor([0]).numpy()), run.setup)[0]
    )
    for method in METHODS:
        assert len(weigh(question, method.name).weights) == len(question.units)


def test_tokens_of_other_questions_may_stand_in(table):
    run = asked(table, "class")
    assert "other" in run.question(TEXT, others=[TEXT.replace("key", "coat")]).ways
