"""The demo's way from nothing to an explained review, on the small example file in place of 25,000 reviews."""

from dataclasses import replace

import pytest

from regard.app.asked import asked_settings
from regard.app.commands.demo import held_out
from regard.tasks.classify import CLASSIFY
from regard.tasks.event import unheard
from regard.train.run import load_run


@pytest.fixture
def small(examples, monkeypatch):
    columns = {"data.columns.text": "review", "data.columns.label": "verdict"}
    typed = columns | {"train.epochs": 2, "train.batch": 16}
    settings = asked_settings(CLASSIFY, path=examples / "reviews.csv", typed=typed)
    monkeypatch.setattr("regard.tasks.catalogue.TASKS", (replace(CLASSIFY, presets={"demo": settings}),))


def test_it_ends_with_scores_a_baseline_a_review_and_what_to_type_next(small, tmp_path, regard):
    code, out, err = regard("demo", "--out", tmp_path / "demo")
    assert (code, err) == (0, "")
    run = load_run(tmp_path / "demo")
    review = held_out(run)
    order = [
        "epoch 1/2",
        "epoch 2/2",
        "On 24 rows held out from training",
        "accuracy, this model",
        "accuracy, TF-IDF",
        f"Row {review.number} of the data, held out from training; its label is {review.label!r}",
        review.text,
        "Heaviest words",
        "How faithful",
        f"Next: regard explain {tmp_path / 'demo'}",
    ]
    places = [out.index(part) for part in order]
    assert places == sorted(places)


def test_typed_again_it_shows_the_same_and_trains_nothing(small, tmp_path, regard):
    first = regard("demo", "--out", tmp_path / "demo")[1]
    again = regard("demo", "--out", tmp_path / "demo")[1]
    assert "is done already" in again
    assert first.split("On 24 rows")[1] == again.split("On 24 rows")[1]


def test_the_review_was_not_trained_on(small, tmp_path, regard):
    regard("demo", "--out", tmp_path / "demo")
    run = load_run(tmp_path / "demo")
    split = run.task.prepare(run.settings, run.setup.kept, unheard).rows
    review = held_out(run)
    assert review in split.test
    assert review.text not in {row.text for row in (*split.train, *split.validation)}
