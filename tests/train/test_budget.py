"""A budget from the settings through training to a loaded run: kept, overruled, and told."""

import json
import shutil

import pytest
import torch

from regard.spec.errors import SpecError
from regard.train.run import load_run
from regard.train.training import train_run


@pytest.fixture
def settings(tiny):
    return lambda **more: tiny("transformer", **{"core__heads": 2, "train__epochs": 16} | more)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Where the one run that the tests share is kept."""
    return tmp_path_factory.mktemp("kept") / "pruned"


@pytest.fixture
def pruned(settings, kept, tmp_path):
    """A run that was trained under a budget of a half, in a folder of the test's own."""
    if not kept.exists():
        train_run(settings(core__budget=0.5), kept)
    return load_run(shutil.copytree(kept, tmp_path / "pruned"))


def test_a_run_trained_under_a_budget_keeps_to_it(pruned, reviews):
    config = json.loads((pruned.folder / "config.json").read_text())
    assert config["asked"]["core"]["budget"] == config["settings"]["core"]["budget"] == 0.5
    metrics = json.loads((pruned.folder / "metrics.json").read_text())
    assert metrics["scores"][0]["value"] > 0.9  # the one word that decides is among those that are kept
    assert metrics["scores"][0]["protocol"].endswith("|budget:0.5|interval:wilson95")
    assert 0.5 <= metrics["attention"]["processed"] < 0.6
    found = pruned.evaluate(reviews)
    assert 0.5 <= found.processed < 0.6
    assert "|budget:0.5" in found.scores[0].protocol


def test_the_tokens_of_a_prediction_that_were_dropped_weigh_nothing(pruned):
    text = "the plot of the film was superb and it was"
    (found,) = pruned.predict([text])
    assert found.label == "good"
    weights = [token.weight for token in found.tokens]
    assert sum(weight > 0 for weight in weights) == 5
    assert len(weights) == 10
    assert sum(weights) == pytest.approx(1)


def test_another_budget_than_the_one_it_was_trained_with(settings, tmp_path, reviews):
    train_run(settings(train__epochs=1), tmp_path / "whole")
    whole = load_run(tmp_path / "whole")
    assert whole.evaluate(reviews).processed == 1
    half = load_run(tmp_path / "whole", budget=0.5)
    assert half.settings.core.budget == 0.5
    assert 0.5 <= half.evaluate(reviews).processed < 0.6
    for ours, theirs in zip(whole.model.parameters(), half.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    text = "the plot of the film was superb and it was"
    assert sum(token.weight > 0 for token in whole.predict([text])[0].tokens) == 10
    assert sum(token.weight > 0 for token in half.predict([text])[0].tokens) == 5


def test_a_pruned_run_can_be_run_whole(pruned, reviews):
    found = load_run(pruned.folder, budget=1).evaluate(reviews)
    assert found.processed == 1
    assert "budget" not in found.scores[0].protocol


def test_a_budget_and_a_focus_together(settings, tmp_path):
    result = train_run(settings(core__budget=0.5, train__focus=2, train__epochs=1), tmp_path / "both")
    assert result.attention["focus"] == 2
    assert result.attention["processed"] < 0.6


@pytest.mark.parametrize("budget", [0, 1.5, float("nan")])
def test_a_budget_that_is_no_share(pruned, budget):
    with pytest.raises(SpecError, match=r"what was typed: core\.budget was"):
        load_run(pruned.folder, budget=budget)


def test_a_run_from_before_there_were_budgets_reads_every_token(pruned, reviews):
    path = pruned.folder / "config.json"
    config = json.loads(path.read_text())
    for part in ("asked", "settings"):
        del config[part]["core"]["budget"]
    path.write_text(json.dumps(config))
    assert load_run(pruned.folder).evaluate(reviews).processed == 1
