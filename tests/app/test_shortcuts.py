"""Options that are settings: one table, from which the command has them."""

import inspect
from pathlib import Path

import pytest

from regard.app.commands.train import train
from regard.app.shortcuts import TRAINING, Shortcut, typed_settings, with_options
from regard.tasks.settings import names


def test_every_shortcut_is_a_setting_and_an_option():
    options = inspect.signature(train).parameters
    for one in TRAINING:
        assert one.path.replace(".columns.text", ".columns").replace(".columns.label", ".columns") in names()
        assert options[one.name].default is None
    assert not any(one.kind == one.VAR_KEYWORD for one in options.values())


def test_what_was_typed_goes_to_its_setting_and_paths_as_text():
    table = (Shortcut("test", "data.test_path", Path, "."), Shortcut("epochs", "train.epochs", int, "."))
    assert typed_settings(table, {"test": Path("a.csv"), "epochs": None}) == {"data.test_path": "a.csv"}
    assert typed_settings(table, {"test": None, "epochs": 0}) == {"train.epochs": 0}


def test_a_command_keeps_its_own_options_before_the_tables():
    @with_options((Shortcut("seed", "train.seed", int, "."),))
    def command(task: str, out: str | None = None, **typed):
        return task, out, typed

    assert list(inspect.signature(command).parameters) == ["task", "out", "seed"]
    assert command(task="a", seed=3) == ("a", None, {"seed": 3})


@pytest.mark.parametrize("option", ["--epochs", "--init", "--precision", "--text", "--column"])
def test_the_help_has_them(regard, option):
    assert option in regard("train", "--help")[1]
