"""Which words the guess of a hidden one rests on."""

import math

import pytest
import torch
from tests.tasks.test_masked_text import settings
from tests.tasks.untrained import untrained, without

from regard.lens.explain import weigh
from regard.lens.methods import METHODS
from regard.spec.errors import SpecError
from regard.tasks.masked_text import MASKED_TEXT
from regard.tasks.vocabulary import UNKNOWN_ID


@pytest.fixture(scope="module", params=["transformer", "bilstm"])
def run(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "rows.csv"
    lines = [f"a {'fine' if at % 2 else 'dull'} film {at},{'good' if at % 2 else 'bad'}" for at in range(60)]
    path.write_text("text,label\n" + "\n".join(lines) + "\n")
    return untrained(MASKED_TEXT, settings(path, request.param))[0]


def test_a_hidden_word_is_no_unit_and_the_model_s_own_probability_is_told(run):
    question = run.question("a fine film", "dull", piece=2)
    assert question.units.texts == ("a", "film")
    assert question.target == "'dull' in the place of 'fine'"
    ids = torch.tensor([run.vocabulary.ids(["a dull film"])[0]])
    hidden = torch.tensor([[False, True, False]])
    with torch.no_grad():
        logs = run.model(ids.masked_fill(hidden, UNKNOWN_ID), torch.tensor([3]), hidden)[0].log_softmax(-1)
    assert math.log(question.probability) == pytest.approx(float(logs[ids[0, 1]]), abs=1e-4)
    guess = run.question("a fine film", piece=2)
    assert guess.probability == pytest.approx(float(logs.exp().max()), abs=1e-4)
    assert math.isfinite(question.scores(without(question, 0), "zero").item())


def test_every_method_answers_that_can(run):
    question = run.question("a fine film", piece=2)
    for method in METHODS:
        if run.settings.core.kind == "transformer" or "attention" not in method.needs:
            assert weigh(question, method.name).weights.shape == (2,)


def test_what_cannot_be_asked_is_said(run):
    with pytest.raises(SpecError, match="say which token is hidden and guessed, 1 to 3"):
        run.question("a fine film")
    with pytest.raises(SpecError, match="expected 1 of the run's tokens"):
        run.question("a fine film", "zebra", piece=2)
    with pytest.raises(SpecError, match="the text has one token"):
        run.question("fine", piece=1)
