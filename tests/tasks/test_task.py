"""The task table, and what every task in it promises."""

from dataclasses import replace

import pytest

from regard.spec.errors import SpecError
from regard.tasks.catalogue import TASKS
from regard.tasks.classify import CLASSIFY, SENTIMENT
from regard.tasks.images import IMAGES
from regard.tasks.sections import CoreSettings, DataSettings, HiddenSettings, ImageSettings
from regard.tasks.settings import Settings, changed, plain, sections, settings_from
from regard.tasks.task import Setup
from regard.tasks.two_readers import TWO_READERS


def by_name(tasks):
    return pytest.mark.parametrize("task", tasks, ids=lambda task: task.name)


def test_names_are_there_once():
    names = [task.name for task in TASKS]
    assert len(set(names)) == len(names)


@by_name(TASKS)
def test_every_preset_is_of_its_task_and_has_nothing_it_does_not_use(task):
    for settings in task.presets.values():
        assert settings.task == task.name
        task.check(settings)
        assert settings_from(plain(settings)) == settings


@by_name(TASKS)
def test_every_task_names_its_scores_without_any_data(task):
    measures = task.measures(Setup(task.settings()))
    assert measures
    assert all(one.name and one.better in ("higher", "lower") for one in measures)


@by_name(TASKS)
def test_every_task_says_what_a_person_asks(task):
    for words in (task.about, task.example, task.beside, task.takes, task.files):
        assert words.strip() == words != ""
    assert task.example.startswith(f"regard train {task.name}")


@by_name(TASKS)
def test_what_is_unused_is_a_setting(task):
    for path in task.unused:
        section, _, name = path.partition(".")
        assert section in sections(task.settings()), path
        assert name in type(getattr(task.settings(), section)).model_fields, path


@pytest.mark.parametrize(
    ("task", "settings", "said"),
    [
        (CLASSIFY, CLASSIFY.settings().model_copy(update={"image": ImageSettings()}), "has no use for image"),
        (CLASSIFY, CLASSIFY.settings().model_copy(update={"tokens": None}), "has need of tokens"),
        (CLASSIFY, CLASSIFY.settings().model_copy(update={"hidden": HiddenSettings()}), "has no use for hidden"),
        (
            IMAGES,
            IMAGES.settings().model_copy(update={"core": CoreSettings()}),
            "core.kind was 'bilstm', and images has",
        ),
        (IMAGES, changed(IMAGES.settings(), {"core.budget": 0.5}), "no use for core.budget: 1.0 there, 0.5 here"),
        (
            IMAGES,
            changed(IMAGES.settings(), {"data.columns.text": "t"}),
            "columns names text, and the columns of images",
        ),
        (TWO_READERS, changed(TWO_READERS.settings(), {"data.path": "a.csv"}), "named by --set members.NAME.path=FILE"),
    ],
)
def test_what_a_task_has_no_use_for_is_refused_by_name(task, settings, said):
    with pytest.raises(SpecError, match=said):
        task.check(settings)


def test_a_task_without_columns_says_so():
    with pytest.raises(SpecError, match="the columns of plain are: none"):
        replace(SENTIMENT, name="plain", roles=()).check(
            Settings(task="plain", data=DataSettings(columns={"text": "a"}), tokens=SENTIMENT.settings().tokens)
        )
