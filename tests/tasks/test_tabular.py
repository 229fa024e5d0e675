"""Tables from files through training to answers: numbers, categories, cells that are empty."""

import json

import numpy as np
import pytest

from regard.app.cli import main
from regard.spec.errors import DataError
from regard.tasks.event import unheard
from regard.tasks.sections import DataSettings
from regard.tasks.settings import changed
from regard.tasks.tabular import TABULAR
from regard.tasks.tabular_data import plain_features
from regard.tasks.task import Asked
from regard.train.run import load_run


def sheet(rows=160, seed=0):
    """A stone sinks if it is heavier than its wood lets it: the weight counts on oak and on pine the other way."""
    draw = np.random.default_rng(seed)
    lines = ["weight,wood,age,price,label"]
    for _ in range(rows):
        weight, wood = draw.normal(50, 10), draw.choice(["oak", "pine"])
        label = "sinks" if (weight > 50) == (wood == "oak") else "floats"
        price = (10 if wood == "oak" else 0) + weight
        age = "" if draw.random() < 0.3 else f"{draw.integers(1, 9)}"
        lines.append(f"{weight:.2f},{wood},{age},{price:.2f},{label}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("tables") / "stones.csv"
    path.write_text(sheet())
    return path


SMALL = ["core.dim=16", "core.hidden=32", "core.layers=1", "core.dropout=0", "core.block_dropout=0", "train.rate=0.01"]


def trained(file, out, *sets, column="label=label"):
    words = [word for one in (*SMALL, *sets) for word in ("--set", one)]
    assert main(["train", "tabular", "--data", str(file), "--out", str(out), "--column", column, *words]) == 0
    return out


@pytest.fixture(scope="module")
def run(file, tmp_path_factory):
    """A run trained by the command itself."""
    out = tmp_path_factory.mktemp("runs") / "stones"
    return trained(file, out, "train.epochs=30", "train.batch=16", 'table.skip=["price"]')


def settings(path, **more):
    values = {"data": DataSettings(path=str(path)).model_dump(), "core.dim": 16}
    return changed(TABULAR.settings(), values | {name.replace("__", "."): value for name, value in more.items()})


def test_two_features_that_only_count_together_are_learned(run):
    metrics = json.loads((run / "metrics.json").read_text())
    usual, plain = metrics["baselines"]
    assert metrics["scores"][0]["value"] > 0.85
    assert (usual["name"][:6], plain["name"]) == ("always", "logistic regression")
    assert plain["scores"][0]["value"] < 0.75
    facts = json.loads((run / "config.json").read_text())["facts"]
    assert [(one["name"], one["kind"], one["missing"]) for one in facts["columns"]] == [
        ("weight", "number", False),
        ("wood", "category", False),
        ("age", "number", True),
    ]
    assert facts["columns"][1]["categories"] == ["oak", "pine"]


def test_a_number_is_told_in_its_own_unit(file, tmp_path, capsys):
    out = trained(
        file, tmp_path / "run", "train.epochs=30", "train.batch=16", 'table.skip=["label"]', column="target=price"
    )
    metrics = json.loads((out / "metrics.json").read_text())
    assert [one["name"] for one in metrics["scores"]] == ["MAE", "RMSE", "R2"]
    level, ridge = metrics["baselines"]
    assert metrics["scores"][0]["value"] < 0.4 * level["scores"][0]["value"]
    assert ridge["scores"][2]["value"] > 0.95
    capsys.readouterr()
    path = tmp_path / "new.csv"
    path.write_text("weight,wood,age\n50,oak,3\n50,pine,\n")
    assert main(["predict", str(out), "--data", str(path)]) == 0
    first, second = [json.loads(line)["target"] for line in capsys.readouterr().out.splitlines()]
    assert first - second == pytest.approx(10, abs=4)
    assert main(["explain", str(out), "--data", str(path)]) == 0
    assert "wood = oak" in capsys.readouterr().out


def test_a_trained_run_answers_scores_and_explains(run, file, tmp_path, capsys):
    loaded = load_run(run)
    found = loaded.evaluate(file)
    assert (found.rows, found.seen) == (160, 128)
    path = tmp_path / "new.csv"
    path.write_text("age,weight,wood\n,62,oak\n4,62,pine\n2,62,birch\n")
    assert main(["predict", str(run), "--data", str(path)]) == 0
    told = [json.loads(line)["label"] for line in capsys.readouterr().out.splitlines()]
    assert told[:2] == ["sinks", "floats"]
    explained = loaded.explain(loaded.given(Asked(path, truths=False)), 0)
    assert [unit.name for unit in explained.units] == ["weight = 62", "age is missing", "wood = oak"]
    assert sum(unit.weight for unit in explained.units) == pytest.approx(1, abs=1e-5)
    assert explained.kind == "feature"
    unseen = loaded.explain(loaded.given(Asked(path, truths=False)), 2)
    assert unseen.units[2].name == "wood is missing"  # training has seen no birch


def test_constants_are_of_the_training_part_alone(file):
    data = TABULAR.prepare(settings(file), None, unheard)
    weights = [row.values[0] for row in data.rows.train]
    column = data.setup.facts["columns"][0]
    assert (column["mean"], column["deviation"]) == (pytest.approx(np.mean(weights)), pytest.approx(np.std(weights)))
    plain = plain_features(data.train, data.setup)
    assert plain.shape[1] == 1 + 2 + 1 + 2  # weight; age and where it is missing; price; oak and pine
    assert plain[:, 0].mean() == pytest.approx(0, abs=1e-6)


def test_what_is_to_be_told_must_be_named(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(
        DataError, match="has neither a column 'label' nor 'target'; name what is to be told: --column label="
    ):
        TABULAR.prepare(settings(path), None, unheard)


def test_cells_of_the_wrong_kind_are_named_by_row(run, tmp_path):
    path = tmp_path / "odd.csv"
    path.write_text("weight,wood,age\nheavy,oak,3\n")
    with pytest.raises(DataError, match=r"row 1 \(line 2\): column 'weight' holds 'heavy', expected a number"):
        load_run(run).given(Asked(path, truths=False))
    path.write_text("weight,age\n50,3\n")
    with pytest.raises(DataError, match="has no column 'wood'"):
        load_run(run).given(Asked(path, truths=False))


@pytest.mark.parametrize("huge", ["1e30", "-1e300"])
def test_a_number_far_from_all_that_were_trained_on_is_refused(run, tmp_path, huge):
    """The answer would be NaN, or certain for no reason."""
    path = tmp_path / "odd.csv"
    path.write_text(f"weight,wood,age\n50,oak,3\n{huge},oak,3\n")
    with pytest.raises(
        DataError, match=r"row 2: column 'weight' holds .*, more than 1e[+]12 times as far from the mean"
    ):
        load_run(run).given(Asked(path, truths=False))
    path.write_text("weight,wood,age\n1e9,oak,3\n")
    assert len(load_run(run).given(Asked(path, truths=False)).part) == 1


def test_labels_the_run_does_not_know_are_named(run, tmp_path):
    path = tmp_path / "odd.csv"
    path.write_text("weight,wood,age,label\n50,oak,3,flies\n")
    with pytest.raises(DataError, match="labels unknown to this run: flies; those it knows: floats, sinks"):
        load_run(run).evaluate(path)
