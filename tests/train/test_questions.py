"""A run's answers as questions: texts, by token and by word, and what cannot be asked."""

import math

import pytest
import torch

from regard.lens.explain import explain, weigh
from regard.spec.errors import DataError, RunError, SpecError
from regard.tasks.catalogue import TASKS
from regard.tasks.task import task_named
from regard.train.questions import question_of
from regard.train.run import Run, load_run
from regard.train.training import train_run

TEXT = "the film was awful and it was a scene"


@pytest.fixture(params=["bilstm", "transformer"])
def run(request, tiny, tmp_path):
    train_run(tiny(request.param, train__epochs=12), tmp_path / "run")
    return load_run(tmp_path / "run")


def test_the_word_that_decides_is_found(run):
    """One word decides in these texts; occlusion finds it, and so does the best method."""
    for method in ("occlusion", "integrated gradients", "best"):
        found = explain(run, TEXT, method=method)
        assert found.target == "bad"
        assert found.units.texts[found.heaviest(1)[0][0]] == "awful"


def test_scores_are_the_runs_own_probabilities(run):
    question = run.question(TEXT, "good")
    (answer,) = run.predict([TEXT])
    assert question.probability == pytest.approx(dict(answer.probabilities)["good"], rel=1e-4)
    keep = torch.ones(1, len(question.units), dtype=torch.bool)
    keep[0, 3] = False
    (without,) = run.predict([TEXT.replace("awful ", "")])
    expected = math.log(dict(without.probabilities)["good"])
    assert question.scores(keep, "delete").item() == pytest.approx(expected, rel=1e-4)
    keep[:] = False
    assert math.isfinite(question.scores(keep, "delete").item())


def test_zero_takes_the_token_away_and_leaves_its_position(run):
    """The way "mean" with the tokens' own vectors in place of the mean is the whole input: what is put in, with the
    position added, is what the embedding gave."""
    question = run.question(TEXT)
    ready = question.gradients
    with torch.no_grad():
        assert ready.score(ready.leaf).item() == pytest.approx(math.log(question.probability), rel=1e-4, abs=1e-6)
    table = run.model.embedding.table
    ids = run.vocabulary.ids([TEXT])[0]
    torch.testing.assert_close(ready.leaf[0], table[ids].detach(), atol=1e-6, rtol=1e-5)


def test_attention_methods_are_shares(run):
    question = run.question(TEXT)
    for name in ("last attention", "mean attention", "rollout", "value norms", "norm rollout"):
        weights = weigh(question, name).weights
        assert float(weights.sum()) == pytest.approx(1.0)
        assert float(weights.min()) >= 0.0
    (answer,) = run.predict([TEXT])
    pooled = torch.tensor([token.weight for token in answer.tokens], dtype=torch.float64)
    torch.testing.assert_close(weigh(question, "last attention").weights, pooled, rtol=1e-5, atol=1e-7)


def test_words_are_several_tokens(tiny, tmp_path):
    train_run(tiny("bilstm", tokens__kind="characters", train__epochs=1), tmp_path / "run")
    question = load_run(tmp_path / "run").question("an awful film", words=True)
    assert question.units.texts == ("an", "awful", "film")
    assert question.units.spans == ((0, 2), (3, 8), (9, 13))
    assert question.attention.tokens.tolist() == [0] * 2 + [1] * 5 + [2] * 4
    assert len(weigh(question, "gradient x input").weights) == 3


def test_tokens_of_other_texts_may_stand_in(run):
    question = run.question(TEXT, others=["superb plot"])
    assert "other" in question.ways
    assert "other" not in run.question(TEXT).ways


def test_rows_that_were_read_are_asked_by_number(run):
    given = run.typed([TEXT, "a superb film"])
    assert question_of(run, given, row=1).units.texts == ("a", "superb", "film")
    with pytest.raises(SpecError, match="rows 0 to 1"):
        run.question(given, row=2)


def test_what_cannot_be_asked_is_said(run):
    with pytest.raises(DataError, match="empty"):
        run.question(" ")
    with pytest.raises(SpecError, match="no such class; it has bad, good"):
        run.question(TEXT, "fine")
    with pytest.raises(SpecError, match="expected a text, or rows"):
        run.question(7)
    with pytest.raises(SpecError, match="piece=1: an answer of classify is of one piece"):
        run.question(TEXT, piece=1)
    other = Run(run.folder, task_named("masked-images", TASKS), run.setup, torch.nn.Identity())
    with pytest.raises(RunError, match="train images with --init from it, and explain that run"):
        other.question(TEXT)
    strange = Run(run.folder, task_named("music", TASKS), run.setup, torch.nn.Identity())
    with pytest.raises(RunError, match="a run of music cannot be explained by taking parts of its input away"):
        strange.question(TEXT)


def test_a_run_on_a_budget_is_asked_by_what_needs_no_attention(tiny, tmp_path):
    """Tokens that are dropped between layers cannot be followed; the other methods answer."""
    train_run(tiny("transformer", core__budget=0.5, train__epochs=2), tmp_path / "run")
    found = explain(load_run(tmp_path / "run"), TEXT)
    assert "left out: last attention" in found.how
    with pytest.raises(SpecError, match=r"load_run\(FOLDER, budget=1\)"):
        explain(load_run(tmp_path / "run"), TEXT, method="rollout")
    assert len(explain(load_run(tmp_path / "run", budget=1), TEXT, method="rollout").weights) == 9
