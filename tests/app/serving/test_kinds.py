"""What requests hold, by task: strict schemas, and items that become the rows of the run's own reader."""

import base64
from dataclasses import replace

import pytest
from pydantic import ValidationError

from regard.app.serving.answering import Answering
from regard.app.serving.batcher import Item
from regard.app.serving.kinds import kind_of
from regard.app.serving.limits import Limits
from regard.spec.errors import DataError, RunError
from regard.train.run import load_run

LIMITS = Limits()


def test_a_row_of_a_table_has_exactly_the_runs_columns(table):
    schema = kind_of(table, LIMITS).schema
    row = {"height": 26.7, "width": 9.5, "petals": None}
    assert schema.model_validate({"rows": [row]}).model_dump(by_alias=True)["rows"] == [row]
    for wrong in ({"height": 1.0}, row | {"colour": "red"}, row | {"height": "tall"}, row | {"height": float("inf")}):
        with pytest.raises(ValidationError):
            schema.model_validate({"rows": [wrong]})


def test_rows_are_answered_as_the_file_that_they_are_of(table, examples):
    from regard.tasks.task import Asked

    wanted = list(table.told(table.given(Asked(examples / "plants.csv", truths=False))))[:2]
    rows = [{"height": 26.7, "width": 9.5, "petals": 4}]
    kind = kind_of(table, LIMITS)
    (found,) = Answering(table, kind)([Item(rows[0], 1)])
    assert found["label"] == wanted[0]["label"]
    assert found["probability"] == pytest.approx(wanted[0]["probability"], abs=2e-6)


def test_texts_need_a_letter_and_an_end(trained):
    schema = kind_of(load_run(trained), Limits(characters=10, items=2)).schema
    schema.model_validate({"texts": ["ten signs.", "a"], "explain": True})
    for wrong in (["eleven sign"], [" \n"], ["a", "b", "c"], [], "a", [None]):
        with pytest.raises(ValidationError):
            schema.model_validate({"texts": wrong})


def test_what_is_wrong_with_one_item_is_told_of_that_one(trained):
    run = load_run(trained)
    kind = replace(kind_of(run, LIMITS), given=_odd(run))
    good, bad = Answering(run, kind)([Item("Great fun.", 10), Item("odd", 3)])
    assert good["label"] in run.labels
    assert isinstance(bad, DataError)


def _odd(run):
    def given(_, texts):
        if "odd" in texts:
            raise DataError("an odd text; send another")
        return run.typed(list(texts))

    return given


def test_a_task_that_answers_nothing_is_refused(trained):
    run = load_run(trained)
    silent = replace(run, task=replace(run.task, tell=None))
    with pytest.raises(RunError, match="answers nothing by itself"):
        kind_of(silent, LIMITS)


def test_files_come_in_base64_alone(trained):
    run = load_run(trained)
    pictures = replace(run, task=replace(run.task, name="images", typed=None))
    schema = kind_of(pictures, LIMITS).schema
    schema.model_validate({"pictures": [base64.b64encode(b"any bytes").decode()]})
    for wrong in ("no base64!", "", "data:image/png;base64,AAAA"):
        with pytest.raises(ValidationError):
            schema.model_validate({"pictures": [wrong]})
