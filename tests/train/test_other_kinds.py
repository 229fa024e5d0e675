"""The one loop with what is no classification: losses a token, a lower score as the better, a part of its own order."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.train.counted import COUNT, ERROR, SETTINGS, OwnOrder, part, prepare

from regard.spec.errors import CheckpointError, RunError
from regard.tasks.event import Progress, Validated
from regard.tasks.settings import changed
from regard.tasks.task import Outcome
from regard.train.loop import Loop
from regard.train.run import load_run
from regard.train.training import train_run


def run(folder, task=COUNT, listen=lambda event: None, **more):
    settings = changed(SETTINGS, {name.replace("__", "."): value for name, value in more.items()})
    return train_run(settings, folder, tasks=(task,), listen=listen)


def test_a_score_where_lower_is_better_chooses_the_epoch_and_the_gain_points_up(tmp_path):
    heard = []
    result = run(tmp_path / "run", listen=heard.append)
    errors = [event.metric for event in heard if isinstance(event, Validated)]
    assert errors == sorted(errors, reverse=True)  # it learns
    assert result.training["best_epoch"] == 6
    assert result.training["validation_absolute_error"] == min(errors)
    assert result.scores[0].better == "lower"
    assert result.baselines[0].gain.value == pytest.approx(result.baselines[0].scores[0].value - result.scores[0].value)
    assert result.baselines[0].beaten_by(result.scores[0])
    assert result.attention["breadth"] is None
    assert all(event.metric is None for event in heard if isinstance(event, Progress))


def test_losses_a_token_are_weighted_by_tokens(tmp_path):
    """With one batch an epoch the mean over all tokens is known by hand."""
    heard = []
    run(tmp_path / "run", listen=heard.append, train__batch=64, train__epochs=1, train__clip=None)
    rows = prepare(SETTINGS, None, None).train.batch(np.arange(40)).rows
    ones, real = int((rows == 1).sum()), int((rows >= 0).sum())
    (step,) = [event for event in heard if isinstance(event, Progress)]
    assert step.loss == pytest.approx(ones / real)  # a weight of 0 is off by 1 on every one
    (epoch,) = [event for event in heard if isinstance(event, Validated)]
    rows = prepare(SETTINGS, None, None).validation.batch(np.arange(10)).rows
    weight = 0.2 * 2 * ones / real  # one step of SGD: rate times the gradient's size
    share = int((rows == 1).sum()) / int((rows >= 0).sum())
    assert epoch.loss == pytest.approx((1 - weight) ** 2 * share, rel=1e-5)


def test_a_part_with_its_own_order_is_asked_for_nothing_else(tmp_path):
    held = OwnOrder(part([[1, 0]] * 40))
    task = replace(COUNT, prepare=lambda *asked: replace(prepare(*asked), train=held))
    result = run(tmp_path / "run", task, train__epochs=2)
    assert result.training["steps"] == 10
    for epoch in (held.asked[:5], held.asked[5:]):
        assert sorted(row for rows in epoch for row in rows) == list(range(40))
    assert result.cost["tokens"] == 2 * 80
    assert result.cost["padding"] == 0


@pytest.mark.parametrize("more", [{}, {"train__tokens": 20, "train__batch": 9}])
def test_a_run_stopped_at_any_step_goes_on_with_the_same_numbers(tmp_path, monkeypatch, more):
    expected = run(tmp_path / "whole", **more)
    real, hits = Loop._step, iter(range(1000))

    def step(self, rows):
        if next(hits) == 13:
            raise KeyboardInterrupt
        return real(self, rows)

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_step", step)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "run", train__checkpoint_seconds=0, **more)
    result = run(tmp_path / "run", train__checkpoint_seconds=0, **more)
    assert (result.status, result.scores, result.training) == ("begun", expected.scores, expected.training)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("run", "whole")]
    assert weights[0] == weights[1]


def test_chosen_by_the_loss_nothing_is_decoded_before_the_end(tmp_path):
    asked = []

    def answer(model, batch, setup):
        asked.append(len(batch))
        return COUNT.answer(model, batch, setup)

    heard = []
    task = replace(COUNT, chosen_by="loss", answer=answer)
    result = run(tmp_path / "run", task, listen=heard.append, train__epochs=3)
    assert asked == [10]  # the test part, once
    assert all(event.metric is None and event.metric_name == "loss" for event in heard if isinstance(event, Validated))
    assert "|best-epoch:validation-loss|" in result.scores[0].protocol
    losses = [event.loss for event in heard if isinstance(event, Validated)]
    assert result.training["validation_loss"] == min(losses)


def test_what_a_task_keeps_and_knows_is_in_the_folder_and_comes_back(tmp_path):
    run(tmp_path / "run", train__epochs=1)
    assert (tmp_path / "run" / "vocab" / "notes.txt").read_text() == "zeros and ones"
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["facts"], config["kept"]) == ({"rows": 60}, ["vocab/notes.txt"])
    assert "tokens" not in config["asked"]
    loaded = load_run(tmp_path / "run", tasks=(COUNT,))
    assert loaded.setup.kept == {"vocab/notes.txt": "zeros and ones"}
    for method, asked in ((loaded.typed, ["x"]), (loaded.predict, ["x"]), (loaded.given, None)):
        with pytest.raises(RunError, match="a run of count"):
            method(asked)


@pytest.mark.parametrize("name", ["../secret.txt", "/etc/passwd", "vocab/../../x", "config.json", "vocab"])
def test_a_run_never_reads_a_file_outside_its_vocabulary(tmp_path, name):
    run(tmp_path / "run", train__epochs=1)
    path = tmp_path / "run" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"kept": [name]}))
    with pytest.raises(CheckpointError, match="expected one below vocab/"):
        load_run(tmp_path / "run", tasks=(COUNT,))


def test_minutes_and_padding_are_in_the_cost(tmp_path):
    result = run(tmp_path / "run", train__epochs=1)
    data = prepare(SETTINGS, None, None).train
    assert result.cost["tokens"] == data.lengths.sum()
    assert 0 <= result.cost["padding"] < 0.5
    assert result.cost["minutes"] >= result.cost["training_seconds"] / 60 - 1e-3


def test_a_batch_without_any_unit_changes_nothing(tmp_path):
    def judge(model, batch, setup):
        found = COUNT.judge(model, batch, setup)
        return Outcome(found.losses * 0, 0) if model.training else found

    result = run(tmp_path / "run", replace(COUNT, judge=judge), train__epochs=1, train__weight_decay=0)
    assert result.training["non_finite_losses"] == 0
    weights = load_run(tmp_path / "run", tasks=(COUNT,)).model.weight
    assert torch.equal(weights, torch.zeros(1, 1))


def test_another_precision_in_the_same_process_counts(tmp_path):
    assert run(tmp_path / "a", train__epochs=1).cost["precision"] == "no"
    assert run(tmp_path / "b", train__epochs=1, train__precision="bfloat16").cost["precision"] == "bf16"
    assert run(tmp_path / "c", train__epochs=1).cost["precision"] == "no"
    assert ERROR.better == "lower"
