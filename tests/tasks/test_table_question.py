"""Which cells an answer rests on: of a class, and of a number."""

import math

import pytest
import torch
from tests.tasks.test_tabular import SMALL, sheet
from tests.tasks.untrained import first, untrained, without

from regard.lens.explain import weigh
from regard.lens.methods import METHODS, Asking
from regard.spec.errors import SpecError
from regard.tasks.sections import DataSettings
from regard.tasks.settings import changed
from regard.tasks.table_question import table_question
from regard.tasks.tabular import TABULAR
from regard.tasks.task import Asked
from regard.train.run import load_run
from regard.train.training import train_run


def settings(path, **columns):
    own = dict(one.split("=") for one in SMALL)
    values = {name: float(value) if "." in value else int(value) for name, value in own.items()}
    data = DataSettings(path=str(path), columns=columns).model_dump()
    return changed(TABULAR.settings(), {"data": data, "table.skip": ["price"], **values})


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("tables") / "stones.csv"
    path.write_text(sheet())
    return path


@pytest.fixture(scope="module")
def run(file, tmp_path_factory):
    """A stone of 62 sinks if it is oak and floats if it is pine; its age says nothing."""
    out = tmp_path_factory.mktemp("runs") / "stones"
    train_run(changed(settings(file), {"train.epochs": 30, "train.batch": 16}), out)
    return load_run(out)


@pytest.fixture
def asked(run, tmp_path):
    path = tmp_path / "new.csv"
    path.write_text("age,weight,wood\n4,62,oak\n,62,pine\n")
    return lambda target=None, **more: run.question(run.given(Asked(path, truths=False)), target, **more)


def test_cells_are_units_in_words_and_the_probability_is_the_runs_own(run, asked):
    question = asked()
    assert question.units.texts == ("weight = 62", "age = 4", "wood = oak")
    assert asked(row=1).units.texts[1] == "age is missing"
    assert (question.target, question.units.kind, question.quantity) == ("sinks", "cell", "probability")
    assert asked("floats").probability == pytest.approx(1 - question.probability, abs=1e-6)
    with pytest.raises(SpecError, match="no such class"):
        asked("flies")


def test_what_decides_is_found_by_every_way_of_asking_without_it(asked):
    """Weight and wood only count together: without either the answer is open, without the age it stands."""
    for way in ("mean", "mask"):
        weights = weigh(asked(), "occlusion", Asking(way=way)).weights
        assert float(weights[1]) < 0.2 * float(weights[[0, 2]].min())


def test_the_mean_is_that_of_the_training_part(run, asked, tmp_path):
    """A weight told as the mean is the row that has the mean in its place."""
    question = asked()
    mean = run.setup.facts["columns"][0]["mean"]
    path = tmp_path / "mean.csv"
    path.write_text(f"age,weight,wood\n4,{mean},oak\n")
    other = run.question(run.given(Asked(path, truths=False)), question.target)
    found = question.scores(without(question, 0), "mean").item()
    assert found == pytest.approx(math.log(other.probability), abs=1e-4)


def test_an_empty_cell_is_told_as_empty_where_training_had_some(run, asked, tmp_path):
    question = asked()
    assert "elsewhere as the column's mean" in question.way("mask").words  # only ages were empty in training
    path = tmp_path / "empty.csv"
    path.write_text("age,weight,wood\n,62,oak\n")
    other = run.question(run.given(Asked(path, truths=False)), question.target)
    found = question.scores(without(question, 1), "mask").item()
    assert found == pytest.approx(math.log(other.probability), abs=1e-4)


def test_every_method_answers(asked):
    for method in METHODS:
        weights = weigh(asked(), method.name).weights
        assert weights.shape == (3,)


def test_a_number_is_weighed_by_how_far_it_moves(file):
    """Nearness is 1 on the whole row, and exp(-|difference|) in spreads of the training part elsewhere."""
    plain = changed(settings(file, target="price"), {"table.skip": ["label"], "table.answer": "number"})
    run, part = untrained(TABULAR, plain)
    batch = first(part)
    question = table_question(run.model, run.setup, batch, None)
    assert (question.probability, question.quantity[:8]) == (1.0, "nearness")
    numbers, categories, present = (one.clone() for one in batch.inputs)
    numbers[0, 0] = run.setup.facts["columns"][0]["mean"]
    with torch.no_grad():
        apart = float((run.model(numbers, categories, present)[0] - run.model(*batch.inputs)[0]).abs())
    assert question.scores(without(question, 0), "mean").item() == pytest.approx(-apart, abs=1e-5)
    assert float(weigh(question, "gradient x input").weights.min()) >= 0  # a number has no side
    with pytest.raises(SpecError, match="tells a number"):
        table_question(run.model, run.setup, batch, "7")
