"""Sequences of letters by class: from files through training to answers that say which letters they came from."""

import json
import math
import random

import numpy as np
import pytest
import torch

from regard.app.cli import main
from regard.lens.explain import explain, weigh
from regard.spec.errors import DataError, SpecError
from regard.tasks.event import unheard
from regard.tasks.sections import DataSettings
from regard.tasks.settings import changed
from regard.tasks.symbols import SYMBOLS
from regard.tasks.task import Asked, Setup
from regard.train.run import Run, load_run

SMALL = {
    "symbols.kmer": 3,
    "core.dim": 16,
    "core.hidden": 32,
    "core.layers": 1,
    "core.heads": 2,
    "core.dropout": 0.0,
    "core.block_dropout": 0.0,
    "core.token_dropout": 0.0,
    "train.epochs": 20,
    "train.batch": 16,
    "train.rate": 0.01,
}


def sequence(draw, label):
    """Letters A and C; of a site, G T lie among them somewhere, as T G do otherwise: only their order tells."""
    letters = draw.choices("AC", k=draw.randrange(6, 12))
    place = draw.randrange(len(letters) + 1)
    return "".join([*letters[:place], "GT" if label == "site" else "TG", *letters[place:]])


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    draw = random.Random(0)
    path = tmp_path_factory.mktemp("symbols") / "sites.csv"
    labels = ["site", "none"] * 120
    rows = "".join(f"{sequence(draw, label)},{label}\n" for label in labels)
    path.write_text("symbols,label\n" + rows)
    return path


def settings(table, **more):
    return changed(SYMBOLS.settings(), {"data": DataSettings(path=str(table)).model_dump(), **SMALL, **more})


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    """A run trained by the command itself."""
    out = tmp_path_factory.mktemp("runs") / "sites"
    sets = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    assert main(["train", "symbols", "--data", str(table), "--out", str(out), *sets]) == 0
    return out


def test_a_run_learns_what_no_single_place_tells(run):
    metrics = json.loads((run / "metrics.json").read_text())
    accuracy = metrics["scores"][0]
    assert accuracy["name"] == "accuracy"
    assert accuracy["value"] > 0.9
    assert [one["name"] for one in metrics["baselines"]] == [
        "always 'none'",
        "logistic regression on one-hot symbols",
    ]
    assert all(one["scores"][0]["value"] < accuracy["value"] for one in metrics["baselines"])


def test_it_looked_at_the_letters_that_decide(run):
    loaded = load_run(run)
    found = loaded.explain(loaded.typed(["ACCAAGTCCA"]), 0)
    assert found.answer.startswith("site (")
    assert sum(unit.weight for unit in found.units) == pytest.approx(1, abs=1e-5)
    names = [unit.name for unit in found.units]
    assert names[0] == "1: A in AC"
    assert names[5] == "6: G in AGT"
    assert names[-1] == "10: A in CA"
    assert found.heaviest(1)[0].name.partition(":")[0] in ("5", "6", "7", "8")


def test_the_commands_answer_score_and_explain(run, table, capsys):
    assert main(["predict", str(run), "--text", "ACCAAGTCCA", "--text", "CCATGA"]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["symbols"], first["label"], second["label"]) == ("ACCAAGTCCA", "site", "none")
    assert main(["evaluate", str(run), "--data", str(table)]) == 0
    assert "macro F1" in capsys.readouterr().out
    assert main(["explain", str(run), "--data", str(table), "--row", "3"]) == 0
    assert "symbol" in capsys.readouterr().out


def test_a_token_is_as_many_symbols_as_the_settings_say(table):
    data = SYMBOLS.prepare(settings(table, **{"symbols.stride": 3}), None, unheard)
    assert data.setup.facts["symbols"][2:] == ["G", "T"]  # the most frequent first
    model = SYMBOLS.build(data.setup).eval()
    batch = data.train.batch(np.arange(4))
    tokens = model.front(*batch.inputs)
    assert tokens.counts.tolist() == [-(-length // 3) for length in batch.lengths.tolist()]
    one = data.test.batch(np.array([0]))
    names = [unit.name for unit in SYMBOLS.explain(model, one, data.setup).units]
    assert names[0].startswith("1 to 3: ")
    with pytest.raises(SpecError, match="symbols between k-mers would be lost"):
        SYMBOLS.build(Setup(settings(table, **{"symbols.stride": 4}), data.setup.facts))


def test_hidden_symbols_are_for_training_alone(table):
    data = SYMBOLS.prepare(settings(table, **{"core.token_dropout": 0.5}), None, unheard)
    model = SYMBOLS.build(data.setup)
    batch = data.train.batch(np.arange(8))
    torch.manual_seed(0)
    one, other = (model.train()(*batch.inputs)[0] for _ in range(2))
    assert not torch.equal(one, other)
    torch.testing.assert_close(*(model.eval()(*batch.inputs)[0] for _ in range(2)))


def test_what_the_baseline_is_given_are_places_and_symbols(table):
    from regard.tasks.symbols import _laid

    data = SYMBOLS.prepare(settings(table), None, unheard)
    laid = _laid(data.test, 20)
    assert laid.shape == (len(data.test), 20)
    row, names = data.rows.test[0], data.setup.facts["symbols"]
    assert [names[place] for place in laid[0] if place >= 0] == list(row.symbols)
    assert laid[0, len(row.symbols) :].tolist() == [-1] * (20 - len(row.symbols))


def test_bad_rows_and_unknown_labels_are_named(run, table, tmp_path):
    lines = table.read_text().splitlines()
    bad = tmp_path / "bad.csv"
    bad.write_text("\n".join([*lines[:5], ",site", "ACGT,", *lines[5:]]) + "\n")
    with pytest.raises(DataError, match=r"row 5 \(line 6\).*row 6 \(line 7\)"):
        SYMBOLS.prepare(settings(bad), None, unheard)
    with pytest.raises(DataError, match=r"row 1 \(line 2\): \d+ symbols, expected at most 4"):
        SYMBOLS.prepare(settings(table, **{"symbols.longest": 4}), None, unheard)
    other = tmp_path / "other.csv"
    other.write_text("symbols,label\nACGT,left\n")
    with pytest.raises(DataError, match="labels unknown to this run: left; those it knows: none, site"):
        load_run(run).evaluate(other)
    with pytest.raises(DataError, match="text 2 of 2 is empty"):
        load_run(run).typed(["ACGT", " "])
    with pytest.raises(DataError, match="text 1 has 600 symbols, expected at most 512"):
        load_run(run).typed(["A" * 600])


def test_symbols_may_be_words_and_columns_have_other_names(tmp_path):
    draw = random.Random(1)
    rows = [(" ".join("c4" if one in "AG" else "d5" for one in sequence(draw, "none")), draw.choice("xy"))
            for _ in range(60)]  # fmt: skip
    path = tmp_path / "words.csv"
    path.write_text("tune,mode\n" + "".join(f"{symbols},{label}\n" for symbols, label in rows))
    data = SYMBOLS.prepare(settings(path, **{"data.columns": {"symbols": "tune", "label": "mode"}}), None, unheard)
    assert sorted(data.setup.facts["symbols"]) == ["c4", "d5"]
    assert data.setup.facts["words"] is True
    one = tmp_path / "one.csv"
    one.write_text("tune\nc4\n")
    given = SYMBOLS.read(Asked(one, truths=False), data.setup)
    assert given.part.lengths.tolist() == [1]  # a word in the run's terms, though nothing in this file says so
    assert given.shown == ("c4",)


@pytest.mark.data
def test_the_sites_of_the_named_set_are_parted(needed):
    needed("splice")
    data = SYMBOLS.prepare(SYMBOLS.settings(), None, unheard)
    assert data.setup.facts["labels"] == ["ei", "ie", "n"]
    assert set(data.train.lengths) == {60}
    assert not {row.symbols for row in data.rows.test} & {row.symbols for row in data.rows.train}


def test_what_is_taken_away_tells_the_letters_that_decide(run):
    """Without its G or its T a site is none; an A or C matters where it tells what G and T follow."""
    found = explain(load_run(run), "ACCAGTACCAA", method="occlusion")
    assert (found.target, found.units.kind, found.units.texts[4:6]) == ("site", "symbol", ("G", "T"))
    assert {place for place, _ in found.heaviest(2)} <= {3, 4, 5, 6}
    rolled = explain(load_run(run), "ACCAGTACCAA", "none", method="rollout")
    assert (rolled.target, len(rolled.weights)) == ("none", 11)
    assert float(rolled.weights.sum()) == pytest.approx(1.0)


def test_several_symbols_to_a_token_are_one_unit(table):
    setup = SYMBOLS.prepare(settings(table, **{"symbols.kmer": 4, "symbols.stride": 2}), None, unheard).setup
    run = Run(table, SYMBOLS, setup, SYMBOLS.build(setup).eval())
    question = run.question("ACCAGTA")
    assert question.units.texts == ("AC", "CA", "GT", "A")
    assert len(weigh(question, "rollout").weights) == 4
    keep = torch.tensor([[True, False, True, True]])
    expected = run.question("ACGTA", question.target)
    assert question.scores(keep, "delete").item() == pytest.approx(math.log(expected.probability), rel=1e-5)
