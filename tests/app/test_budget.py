"""--budget: training under one, evaluating under another, and every way to type it wrong."""

import json
import re

import pytest

from regard.app.asked import default_folder
from regard.app.cli import main
from regard.tasks.classify import SENTIMENT
from regard.tasks.settings import changed

TEXT = "A warm and witty script. I loved the ending, great fun."


@pytest.fixture(scope="session")
def pruned(train_command, tmp_path_factory):
    """The small run again, as a transformer under a budget."""
    folder = tmp_path_factory.mktemp("runs") / "pruned"
    asked = ["--core", "transformer", "--set", "core.heads=2", "--budget", "0.5", "--out", str(folder)]
    assert main([*train_command, *asked]) == 0
    return folder


def share(out):
    """The share in the line about the budget, in percent; None where there is none."""
    found = re.search(r"budget: of the tokens of a text the layers process (\d+\.\d)%", out)
    return None if found is None else float(found[1])


def test_the_budget_lies_in_the_folder_and_is_told(pruned, train_command, regard):
    assert json.loads((pruned / "config.json").read_text())["settings"]["core"]["budget"] == 0.5
    asked = ["--core", "transformer", "--set", "core.heads=2", "--budget", "0.5", "--out", pruned]
    code, out, err = regard(*train_command, *asked)
    assert (code, err) == (0, "")
    assert "is done already" in out
    assert 50 <= share(out) < 56


def test_evaluate_keeps_it_or_takes_another(pruned, trained, examples, regard):
    data = ["--data", examples / "reviews.csv"]
    assert 50 <= share(regard("evaluate", pruned, *data)[1]) < 56
    assert 25 <= share(regard("evaluate", pruned, *data, "--budget", "0.25")[1]) < 32
    code, out, _ = regard("evaluate", pruned, *data, "--budget", "1")
    assert (code, share(out)) == (0, None)
    assert share(regard("evaluate", trained, *data)[1]) is None


def test_predict_and_explain_keep_it(pruned, tmp_path, regard):
    code, out, _ = regard("predict", pruned, "--text", TEXT)
    assert code == 0
    assert set(json.loads(out)["probabilities"]) == {"good", "bad"}
    page = tmp_path / "page.html"
    code, out, _ = regard("explain", pruned, "--text", TEXT, "--html", page)
    assert code == 0
    assert "budget 0.5, words that were dropped get no attention" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("budget", ["0", "-1", "1.5", "nan"])
def test_a_share_that_is_none(budget, pruned, examples, train_command, tmp_path, regard, one_line):
    out = tmp_path / "new"
    code, _, err = regard(*train_command, "--core", "transformer", f"--budget={budget}", "--out", out)
    assert code == 2
    assert "what was typed: core.budget was" in one_line(err)
    assert not out.exists()
    code, _, err = regard("evaluate", pruned, "--data", examples / "reviews.csv", f"--budget={budget}")
    assert code == 2
    assert "what was typed: core.budget was" in one_line(err)


def test_no_number(pruned, examples, regard, one_line):
    code, _, err = regard("evaluate", pruned, "--data", examples / "reviews.csv", "--budget", "half")
    assert code == 2
    assert "'--budget': Input should be a valid number" in one_line(err)


def test_a_bilstm_has_no_budget(trained, examples, train_command, tmp_path, regard, one_line):
    code, _, err = regard(*train_command, "--budget", "0.5", "--out", tmp_path / "new")
    assert code == 2
    assert "a bilstm reads every token: only a transformer has a budget (--core transformer)" in one_line(err)
    code, _, err = regard("evaluate", trained, "--data", examples / "reviews.csv", "--budget", "0.5")
    assert code == 2
    assert "a bilstm reads every token" in one_line(err)


def test_runs_with_another_budget_have_a_folder_of_their_own():
    settings = SENTIMENT.settings("transformer")
    assert default_folder(settings).name == "sentiment-transformer"
    assert default_folder(changed(settings, {"core.budget": 0.5})).name == "sentiment-transformer-budget0.5"
