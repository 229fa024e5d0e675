"""Settings: unknown keys and wrong values are refused, in words."""

import json

import pytest

from regard.spec.errors import SpecError
from regard.tasks.settings import Settings, changed, differences, names, settings_from


def test_defaults_survive_json():
    settings = Settings(task="classify")
    assert settings_from(json.loads(json.dumps(settings.model_dump()))) == settings


def test_an_unknown_key_is_refused_with_the_nearest_name_and_those_there_are():
    with pytest.raises(SpecError) as caught:
        settings_from({"task": "classify", "train": {"epoch": 3}}, where="config.json")
    said = str(caught.value)
    assert said.startswith("config.json: train.epoch is no setting (did you mean train.epochs?)")
    assert "train.patience" in said
    assert "\n" not in said


def test_a_value_out_of_range_is_refused_with_its_path_and_value():
    with pytest.raises(SpecError, match=r"train\.rate was -1: input should be greater than 0"):
        settings_from({"task": "classify", "train": {"rate": -1}})


@pytest.mark.parametrize("epochs", [0, "often", 1.5])
def test_epochs_are_a_number_or_auto(epochs):
    assert settings_from({"task": "classify", "train": {"epochs": "auto"}}).train.epochs == "auto"
    with pytest.raises(SpecError, match=r"train\.epochs"):
        settings_from({"task": "classify", "train": {"epochs": epochs}})


def test_a_missing_task_is_named():
    with pytest.raises(SpecError, match="task is missing"):
        settings_from({})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused(value):
    with pytest.raises(SpecError, match=r"train\.rate"):
        settings_from({"task": "classify", "train": {"rate": value}})


def test_changed_replaces_one_value_and_leaves_the_first_settings_alone():
    settings = Settings(task="classify")
    other = changed(settings, {"train.epochs": 7, "task": "sentiment"})
    assert (other.train.epochs, other.task) == (7, "sentiment")
    assert (settings.train.epochs, settings.task) == (5, "classify")
    assert other.train.batch == settings.train.batch


@pytest.mark.parametrize("path", ["train.epoch", "trian.epochs", "epochs", "train.epochs.more", ""])
def test_changed_refuses_paths_that_are_no_setting(path):
    with pytest.raises(SpecError, match="is no setting"):
        changed(Settings(task="classify"), {path: 3})


def test_differences_name_what_differs_and_nothing_else():
    settings = Settings(task="classify")
    other = changed(settings, {"train.seed": 1, "tokens.kind": "words"})
    assert differences(settings, other) == (
        "tokens.kind: 'auto' there, 'words' here",
        "train.seed: 0 there, 1 here",
    )
    assert differences(settings, settings) == ()


def test_names_cover_every_leaf_of_the_settings():
    dumped = Settings(task="classify").model_dump()
    leaves = [f"{room}.{key}" for room, inner in dumped.items() if isinstance(inner, dict) for key in inner]
    assert names() == ("task", *leaves)
