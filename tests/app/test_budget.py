"""--budget: training under one, evaluating under another, and every way to type it wrong."""

import json
import re

import pytest

from regard.app.asked import default_folder
from regard.app.cli import main
from regard.app.scores import SHARE
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
    code, out, err = regard("predict", pruned, "--text", TEXT)
    assert (code, err) == (0, f"{SHARE.format(0.5)}\n")
    assert set(json.loads(out)["probabilities"]) == {"good", "bad"}
    page = tmp_path / "page.html"
    code, out, _ = regard("explain", pruned, "--text", TEXT, "--html", page)
    assert code == 0
    assert SHARE.format(0.5) in out
    assert SHARE.format(0.5) in page.read_text(encoding="utf-8")


def test_methods_that_follow_attention_are_asked_of_the_whole_model(pruned, trained, regard, one_line):
    asked = ["explain", pruned, "--text", TEXT, "--method", "rollout"]
    code, _, err = regard(*asked)
    assert code == 2
    assert "a run with a budget is asked as a whole: regard explain --budget 1" in one_line(err)
    code, out, err = regard(*asked, "--budget", "1")
    assert (code, err) == (0, "")
    assert "by rollout" in out
    assert SHARE.format(0.5) not in out
    code, _, err = regard("explain", "--model", trained, "--text", TEXT, "--budget", "1")
    assert (code, "it goes with a run" in one_line(err)) == (2, True)


@pytest.mark.parametrize("budget", ["0", "-1", "1.5", "nan", "half"])
def test_a_share_that_is_none(budget, pruned, examples, train_command, tmp_path, regard, one_line):
    out = tmp_path / "new"
    code, _, err = regard(*train_command, "--core", "transformer", f"--budget={budget}", "--out", out)
    said = f"'--budget': {budget}: expected a share, above 0 and at most 1; see: regard"
    assert code == 2
    assert said in one_line(err)
    assert not out.exists()
    for asked in (["evaluate", pruned, "--data", examples / "reviews.csv"], ["explain", pruned, "--text", TEXT]):
        code, _, err = regard(*asked, f"--budget={budget}")
        assert code == 2
        assert said in one_line(err)
    code, _, err = regard("allocate", "--profile", out, "--out", out, f"--budget={budget}")
    assert (code, said in one_line(err)) == (2, True)


def test_a_task_without_a_budget_names_those_with_one(regard, one_line, tmp_path):
    code, _, err = regard("train", "forecast", "--budget", "0.25", "--out", tmp_path / "new")
    assert code == 2
    said = one_line(err)
    assert "--budget 0.25: task forecast has no use for it; leave it out (it is for " in said
    assert "sentiment" in said.partition("(it is for ")[2]
    assert "forecast" not in said.partition("(it is for ")[2]


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
