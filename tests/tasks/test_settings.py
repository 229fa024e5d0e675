"""Settings: unknown keys and wrong values are refused, in words."""

import json
from typing import get_args

import pytest

from regard.spec.errors import SpecError
from regard.tasks import sections as sections_module
from regard.tasks.sections import DataSettings, ImageSettings, TokenSettings
from regard.tasks.settings import Settings, changed, differences, names, plain, sections, settings_from


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
    settings = Settings(task="classify", tokens=TokenSettings())
    other = changed(settings, {"train.seed": 1, "tokens.kind": "words"})
    assert differences(settings, other) == (
        "tokens.kind: 'auto' there, 'words' here",
        "train.seed: 0 there, 1 here",
    )
    assert differences(settings, settings) == ()


def test_names_cover_every_leaf_of_the_settings():
    kinds = [
        kind for kind in vars(sections_module).values() if isinstance(kind, type) and kind.__name__.endswith("Settings")
    ]
    of_room = {name: kind for name, field in Settings.model_fields.items() for kind in kinds
               if kind is field.annotation or kind in get_args(field.annotation)}  # fmt: skip
    assert len(of_room) == len(kinds)  # each section is one of the settings
    every = Settings(task="classify", members={}, **{name: kind() for name, kind in of_room.items()}).model_dump()
    leaves = [f"{room}.{key}" for room, inner in every.items() if isinstance(inner, dict) for key in inner]
    assert [name for name in names() if "." in name] == leaves
    assert [name for name in names() if "." not in name] == ["task", "members"]


def test_a_section_that_is_not_used_is_in_no_json_and_refused_by_name():
    settings = Settings(task="images", image=ImageSettings())
    assert sections(settings) == ("data", "image", "core", "train")
    assert list(plain(settings)) == ["task", "data", "image", "core", "train"]
    assert settings_from(json.loads(json.dumps(plain(settings)))) == settings
    with pytest.raises(SpecError, match=r"tokens.kind: task images has no section tokens; those it has: data, image"):
        changed(settings, {"tokens.kind": "words"})
    with pytest.raises(SpecError, match="no TokenSettings"):
        settings.section(TokenSettings)
    assert settings.section(ImageSettings) is settings.image


def test_columns_have_names_of_their_own_by_what_they_are_for():
    settings = changed(Settings(task="classify"), {"data.columns.text": "review", "data.columns.label": "label"})
    assert settings.data.columns == {"text": "review"}  # a column called by what it is for needs no entry
    assert (settings.data.column("text"), settings.data.column("label")) == ("review", "label")


def test_what_runs_wrote_before_there_were_columns_is_read():
    older = {"path": "a.csv", "text": "review", "label": "label"}
    assert settings_from({"task": "classify", "data": older}).data == DataSettings(
        path="a.csv", columns={"text": "review"}
    )
