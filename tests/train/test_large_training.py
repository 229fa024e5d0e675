"""A file too large to be held, trained on end to end: every row once an epoch, the same numbers after a stop."""

import json

import numpy as np
import pytest

from regard.spec.errors import DataError
from regard.tasks import text_data
from regard.tasks.classify import CLASSIFY
from regard.tasks.event import Note, unheard
from regard.tasks.readers.lazy_part import LazyPart
from regard.tasks.settings import changed
from regard.train.loop import Loop
from regard.train.run import load_run
from regard.train.training import train_run


@pytest.fixture(autouse=True)
def _small(tmp_path, monkeypatch):
    """What is large: a file of more than 1 kB."""
    monkeypatch.setenv("REGARD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(text_data, "LARGE", 1000)


@pytest.fixture
def settings(tiny):
    return lambda **more: tiny(**{"data__test_rows": 0.2, "data__validation_rows": 0.2, "train__epochs": 2} | more)


def test_every_training_row_is_seen_once_an_epoch_and_none_of_the_others(settings, tmp_path, monkeypatch):
    seen = []
    real = LazyPart.batch

    def batch(self, rows):
        seen.append(rows.tolist())
        return real(self, rows)

    monkeypatch.setattr(LazyPart, "batch", batch)
    result = train_run(settings(train__epochs=8), tmp_path / "run")
    counts = json.loads((tmp_path / "run" / "config.json").read_text())["data"]
    steps = result.training["steps"] // 8
    for epoch in (seen[at : at + steps] for at in range(0, 8 * steps, steps)):
        assert sorted(row for rows in epoch for row in rows) == list(range(counts["train"]))
    assert seen[:steps] != seen[steps : 2 * steps]
    assert counts["train"] + counts["validation"] + counts["test"] == 200
    assert result.scores[0].rows == counts["test"]
    assert result.scores[0].value > 0.75  # it learns: one word in each text decides
    assert [one.name.split(" ")[0] for one in result.baselines] == ["always", "TF-IDF"]


def test_no_text_of_one_part_is_in_another_and_nothing_is_marked(settings, tmp_path):
    data = CLASSIFY.prepare(settings(), None, unheard)
    assert isinstance(data.train, LazyPart)
    assert len(data.marks) == 0
    assert data.counts["marked"] == 0
    assert data.counts["sampled"] == len(data.rows.train) == len(data.train)
    parts = [{row.text for row in part} for part in (data.rows.train, data.rows.validation, data.rows.test)]
    assert sum(map(len, parts)) == 200 == len(set.union(*parts))
    assert len(data.test) == len(data.rows.test)
    assert data.protocol.startswith(f"part:test(held-out,seed:0)|rows:{len(data.test)}|")


def test_a_run_that_was_stopped_goes_on_with_the_same_numbers(settings, tmp_path, monkeypatch):
    expected = train_run(settings(), tmp_path / "whole")
    real, hits = Loop._step, iter(range(1000))

    def step(self, rows):
        if next(hits) == 11:
            raise KeyboardInterrupt
        return real(self, rows)

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_step", step)
        with pytest.raises(KeyboardInterrupt):
            train_run(settings(), tmp_path / "run")
    result = train_run(settings(), tmp_path / "run")
    assert result.status == "begun"
    assert (result.scores, result.training) == (expected.scores, expected.training)
    for name in ("model.safetensors", "vocab/tokenizer.json"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_the_vocabulary_and_the_baselines_are_made_of_a_sample(settings, monkeypatch):
    monkeypatch.setattr(text_data, "_SAMPLED", 30)
    heard = []
    data = CLASSIFY.prepare(settings(), None, heard.append)
    assert len(data.rows.train) == data.counts["sampled"] == 30
    assert len(data.train) > 100
    said = [event.text for event in heard if isinstance(event, Note)]
    assert any("rows to train on, which stay on disk" in one for one in said)
    numbers = {word for row in data.rows.train for word in row.text.split() if word.isdecimal()}
    known = json.loads(data.setup.kept["vocab/tokenizer.json"])["model"]["vocab"]
    assert {word for word in known if word.isdecimal()} == numbers  # each row has a number of its own


def test_a_share_holds_out_so_many_rows_at_most(settings, monkeypatch):
    monkeypatch.setattr(text_data, "_HELD_OUT", 10)
    data = CLASSIFY.prepare(settings(), None, unheard)
    assert 2 <= len(data.test) <= 25  # about 10: rows fall by their hash
    assert 2 <= len(data.validation) <= 25
    assert len(data.train) + len(data.validation) + len(data.test) == 200


def test_what_needs_all_rows_in_memory_says_so(settings):
    heard = []
    data = CLASSIFY.prepare(changed(settings(), {"data.train_rows": 50}), None, heard.append)
    assert not isinstance(data.train, LazyPart)
    assert len(data.train) == 50
    assert "is read into memory" in heard[0].text


def test_one_label_is_nothing_to_learn(settings, reviews):
    reviews.write_text(reviews.read_text().replace(",bad", ",good"))
    with pytest.raises(DataError, match="has one label"):
        CLASSIFY.prepare(settings(), None, unheard)


def test_a_trained_run_answers_and_does_not_claim_that_rows_are_new(settings, reviews, tmp_path):
    train_run(settings(), tmp_path / "run")
    found = load_run(tmp_path / "run").evaluate(reviews)
    assert found.rows == 200
    assert "seen-in-training:unknown" in found.scores[0].protocol
    assert np.isfinite(found.scores[0].value)
