from pathlib import Path

import pytest

from regard.app.asked import asked_settings, default_folder
from regard.spec import SpecError
from regard.tasks.classify import CLASSIFY, SENTIMENT
from regard.tasks.sections import DataSettings


def test_nothing_typed_is_the_preset():
    assert asked_settings(SENTIMENT) == SENTIMENT.settings()
    assert asked_settings(SENTIMENT, core="transformer") == SENTIMENT.settings("transformer")
    empty = asked_settings(SENTIMENT, path=None, typed={})
    assert empty == SENTIMENT.settings()


def test_what_is_typed_takes_the_presets_place():
    found = asked_settings(
        SENTIMENT,
        typed={"train.epochs": 3, "tokens.kind": "subwords"},
        assignments=["train.rate=0.01", "train.clip=null", "core.kind=transformer", "data.skip_refused=true"],
    )
    assert (found.train.epochs, found.tokens.kind, found.train.rate) == (3, "subwords", 0.01)
    assert (found.train.clip, found.core.kind, found.data.skip_refused) == (None, "transformer", True)
    assert found.train.batch == SENTIMENT.settings().train.batch


def test_a_file_of_ones_own_forgets_the_tasks_data():
    found = asked_settings(
        SENTIMENT, path=Path("a.csv"), typed={"data.columns.text": "words"}, assignments=["data.test_rows=9"]
    )
    assert found.data == DataSettings(path="a.csv", columns={"text": "words"}, test_rows=9)
    assert found.tokens.kind == "auto"
    assert found.tokens.longest == SENTIMENT.settings().tokens.longest


@pytest.mark.parametrize("text", ["train.rate", "=3", " =3", ""])
def test_what_is_no_assignment_is_refused(text):
    with pytest.raises(SpecError, match="expected NAME=VALUE"):
        asked_settings(SENTIMENT, assignments=[text])


@pytest.mark.parametrize("text", ["train.rat=1", "rate=1", "train.rate=fast", "train.epochs=0", "train.rate.x=1"])
def test_what_is_no_setting_or_value_is_refused(text):
    with pytest.raises(SpecError, match="what was typed"):
        asked_settings(SENTIMENT, assignments=[text])


def test_a_task_without_data_needs_a_file():
    with pytest.raises(SpecError, match="classify has no data of its own: name a file with --data FILE"):
        asked_settings(CLASSIFY)
    assert asked_settings(CLASSIFY, path="a.csv").data.path == "a.csv"


@pytest.mark.parametrize(
    ("path", "typed", "folder"),
    [
        (None, {}, "runs/sentiment-bilstm"),
        (None, {"train.seed": 2}, "runs/sentiment-bilstm-seed2"),
        ("some/my reviews.v2.csv", {"core.kind": "transformer"}, "runs/sentiment-my-reviews-v2-transformer"),
        ("评论.csv", {}, "runs/sentiment-评论-bilstm"),
        ("---.csv", {}, "runs/sentiment-data-bilstm"),
    ],
)
def test_the_same_command_finds_the_same_folder(path, typed, folder):
    assert default_folder(asked_settings(SENTIMENT, path=path, typed=typed)) == Path(folder)
