"""Whole runs on tiny data: what they learn, write, tell, refuse."""

import json
import math
import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from regard.spec.errors import CheckpointError, DataError, NonFiniteLossError, RunError, SpecError
from regard.tasks.classes import judge_classes, measures_of_classes
from regard.tasks.classify import CLASSIFY
from regard.tasks.event import Note, Progress, Validated
from regard.tasks.settings import changed
from regard.train import training
from regard.train.loop import Loop
from regard.train.training import train_run


def swapped(monkeypatch, **changes):
    """Training with a task of which some part is replaced."""
    task = replace(CLASSIFY, **changes)
    monkeypatch.setattr(training, "TASKS", (task,))


class Told:
    """The first measure, which says what it is told to on the validation part."""

    def __init__(self, real, value):
        self.real, self.value, self.name = real, value, real.name

    def __call__(self, answers, truths, *, protocol, groups=None):
        found = self.real(answers, truths, protocol=protocol, groups=groups)
        return replace(found, value=self.value()) if protocol.startswith("part:validation") else found

    def gain(self, *answers, **more):
        return self.real.gain(*answers, **more)


def said(value):
    def measures(setup):
        first, *others = measures_of_classes(setup)
        return Told(first, value), *others

    return measures


@pytest.mark.parametrize("core", ["bilstm", "transformer"])
def test_a_run_learns_and_writes_its_folder(tiny, tmp_path, core):
    run = tmp_path / "run"
    result = train_run(tiny(core, train__epochs=8), run)
    accuracy = result.scores[0]
    assert accuracy.value > 0.8  # one word in ten decides; 0.5 by chance
    assert accuracy.rows == 40
    assert accuracy.full_name == (
        "accuracy|part:test(held-out,seed:0)|rows:40|duplicates:removed|best-epoch:validation|interval:wilson95"
    )
    assert [baseline.name for baseline in result.baselines] == ["always 'bad'", "TF-IDF of words + logistic regression"]
    assert result.baselines[0].scores[0].value == 0.5
    assert result.baselines[0].gain.value == pytest.approx(accuracy.value - 0.5)
    assert result.status == "new"
    assert sorted(path.name for path in run.iterdir() if not path.name.startswith(".")) == [
        "config.json", "log.jsonl", "metrics.json", "model.safetensors", "seen.safetensors", "vocab",
    ]  # fmt: skip
    config = json.loads((run / "config.json").read_text())
    assert config["facts"]["labels"] == ["bad", "good"]
    assert (config["data"]["train"], config["data"]["validation"], config["data"]["test"]) == (140, 20, 40)
    assert (config["asked"]["tokens"]["kind"], config["settings"]["tokens"]["kind"]) == ("auto", "words")


def test_what_is_told_adds_up(tiny, tmp_path):
    heard = []
    result = train_run(tiny(), tmp_path / "run", listen=heard.append)
    steps = [event for event in heard if isinstance(event, Progress)]
    epochs = [event for event in heard if isinstance(event, Validated)]
    assert [event.step for event in steps] == list(range(1, 37))  # 140 rows in batches of 16: 9 a epoch, 4 epochs
    assert {event.steps for event in steps} == {36}
    assert [event.epoch for event in steps] == [1] * 9 + [2] * 9 + [3] * 9 + [4] * 9
    assert all(math.isfinite(event.loss) and 0 <= event.metric <= 1 and event.rate > 0 for event in steps)
    assert steps[-1].seconds_left == 0
    assert [event.epoch for event in epochs] == [1, 2, 3, 4]
    assert [event.train_loss for event in epochs] == [steps[index].loss for index in (8, 17, 26, 35)]
    best = max(epochs, key=lambda event: (event.metric, -event.loss))
    assert result.training["validation_accuracy"] == best.metric
    assert result.training["best_epoch"] == best.epoch
    assert [event.best for event in epochs].count(True) >= 1
    assert any("140 rows to train on" in event.text for event in heard if isinstance(event, Note))
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["begin", "epoch", "epoch", "epoch", "epoch", "end"]


def test_the_test_part_is_looked_at_once_and_last(tiny, tmp_path, monkeypatch):
    looked = []
    real = training.answers

    def watched(task, setup, model, part, accelerator, **more):
        looked.append(len(part))
        return real(task, setup, model, part, accelerator, **more)

    monkeypatch.setattr(training, "answers", watched)
    monkeypatch.setattr("regard.train.best.answers", watched)
    train_run(tiny(), tmp_path / "run")
    assert looked == [20, 20, 20, 20, 40]


def test_the_same_settings_give_the_same_numbers_and_another_seed_others(tiny, tmp_path):
    weights = {}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train_run(tiny(train__seed=seed, train__epochs=1), tmp_path / name)
        weights[name] = (tmp_path / name / "model.safetensors").read_bytes()
    assert weights["a"] == weights["b"] != weights["c"]


def test_a_run_leaves_torchs_random_state_alone(tiny, tmp_path):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    train_run(tiny(train__epochs=1), tmp_path / "run")
    assert torch.equal(torch.get_rng_state(), before)


def test_a_done_run_is_given_back_and_not_trained_again(tiny, tmp_path):
    first = train_run(tiny(train__epochs=1), tmp_path / "run")
    heard = []
    again = train_run(tiny(train__epochs=1), tmp_path / "run", listen=heard.append)
    assert again == replace(first, status="done")
    assert len(heard) == 1
    assert "is done already: nothing is trained" in heard[0].text


def test_a_folder_of_another_run_is_refused(tiny, tmp_path, reviews):
    train_run(tiny(train__epochs=1), tmp_path / "run")
    metrics = (tmp_path / "run" / "metrics.json").read_bytes()
    with pytest.raises(RunError, match=r"train.epochs: 1 there, 2 here"):
        train_run(tiny(train__epochs=2), tmp_path / "run")
    reviews.write_text(reviews.read_text() + "one more text,good\n")
    with pytest.raises(RunError, match="on other data"):
        train_run(tiny(train__epochs=1), tmp_path / "run")
    assert (tmp_path / "run" / "metrics.json").read_bytes() == metrics


def test_early_stopping(tiny, tmp_path, monkeypatch):
    scores = iter([0.5, 0.6, 0.55, 0.59, 0.9])

    swapped(monkeypatch, measures=said(lambda: next(scores)))
    tested = []
    real = training.answers

    def watched(task, setup, model, part, accelerator):
        tested.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return real(task, setup, model, part, accelerator)

    monkeypatch.setattr(training, "answers", watched)
    result = train_run(tiny(train__epochs=5, train__patience=2), tmp_path / "run")
    # epochs 3 and 4 are no better than 2: stop, and take epoch 2's weights
    assert result.training["stopped_early"]
    assert (result.training["epochs"], result.training["best_epoch"]) == (4, 2)
    kept = load_file(tmp_path / "run" / "model.safetensors")
    assert all(torch.equal(tensor, kept[name]) for name, tensor in tested[0].items())
    # the same run cut off after epoch 2 has these weights: they are epoch 2's, not the last ones
    two = changed(tiny(train__epochs=5), {"train.patience": 1})
    scores = iter([0.5, 0.6, 0.5])
    train_run(two, tmp_path / "shorter")
    shorter = load_file(tmp_path / "shorter" / "model.safetensors")
    assert all(torch.equal(tensor, shorter[name]) for name, tensor in kept.items())


def test_of_equal_scores_the_lower_loss_is_better(tiny, tmp_path, monkeypatch):
    swapped(monkeypatch, measures=said(lambda: 0.5))
    heard = []
    result = train_run(tiny(train__epochs=8), tmp_path / "run", listen=heard.append)
    losses = [event.loss for event in heard if isinstance(event, Validated)]
    assert losses.index(min(losses)) + 1 == result.training["best_epoch"] > 1


def poisoned(steps, poison=float("nan")):
    """Losses that are not finite at some steps, counted from 0."""
    count = iter(range(10_000))

    def judge(model, batch, setup):
        outcome = judge_classes(model, batch, setup)
        if model.training and next(count) in steps:
            return replace(outcome, losses=outcome.losses + poison)
        return outcome

    return judge


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])  # an added infinity leaves the gradient finite
def test_a_few_losses_that_are_not_finite_are_counted_and_skipped(tiny, tmp_path, monkeypatch, poison):
    swapped(monkeypatch, judge=poisoned({3, 4, 20}, poison))
    heard = []
    result = train_run(tiny(train__non_finite_limit=3), tmp_path / "run", listen=heard.append)
    assert all(math.isfinite(event.loss) for event in heard if isinstance(event, Progress))
    assert result.training["non_finite_losses"] == 3
    assert result.training["steps"] == 36
    assert result.scores[0].value > 0.5
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if line["event"] == "non-finite loss"] == [4, 5, 21]


def test_too_many_losses_that_are_not_finite_stop_the_run_and_lose_nothing(tiny, tmp_path, monkeypatch):
    swapped(monkeypatch, judge=poisoned(set(range(15, 36))))
    with pytest.raises(NonFiniteLossError) as caught:
        train_run(tiny(train__non_finite_limit=3), tmp_path / "run")
    said = str(caught.value)
    assert said.startswith("4 of 19 losses were NaN or infinite, at most 3 are tolerated")
    assert "Lower train.rate (now 0.02)" in said
    assert "\n" not in said
    assert list((tmp_path / "run" / "checkpoint").glob("step-*.safetensors"))


def test_a_gradient_that_is_not_finite_never_reaches_the_weights(tiny, tmp_path, monkeypatch):
    def judge(model, batch, setup):
        outcome = judge_classes(model, batch, setup)
        # 0 * sqrt'(0) is 0 * infinity: the loss is finite, its gradient is not
        bad = (outcome.losses * 0).sqrt() if model.training else 0.0
        return replace(outcome, losses=outcome.losses + bad)

    swapped(monkeypatch, judge=judge)
    with pytest.raises(NonFiniteLossError, match="11 of 11 losses"):
        train_run(tiny(train__clip=None), tmp_path / "run")


def test_weights_that_diverge_end_in_words(tiny, tmp_path):
    with pytest.raises(NonFiniteLossError, match=r"turn clipping on \(now off\)"):
        train_run(tiny(train__optimizer="sgd", train__rate=1e30, train__clip=None, train__warmup=0), tmp_path / "run")


def test_a_checkpoint_cut_in_half_is_named_and_deleting_it_goes_on_exactly(tiny, tmp_path, monkeypatch):
    expected = train_run(tiny(), tmp_path / "whole")
    stop_at(monkeypatch, 21)
    with pytest.raises(KeyboardInterrupt):
        train_run(tiny(), tmp_path / "run")
    newest = max((tmp_path / "run" / "checkpoint").glob("step-*.safetensors"))
    newest.write_bytes(newest.read_bytes()[: newest.stat().st_size // 2])
    with pytest.raises(CheckpointError, match=f"{newest.name} cannot be read .* delete this file"):
        train_run(tiny(), tmp_path / "run")
    newest.unlink()
    result = train_run(tiny(), tmp_path / "run")
    assert result.scores == expected.scores
    assert result.status == "begun"


def stop_at(monkeypatch, step):
    """Ctrl-C in the middle of a step, once."""
    real, hits = Loop._step, iter(range(10_000))

    def stepping(self, rows):
        if next(hits) == step:
            raise KeyboardInterrupt
        return real(self, rows)

    monkeypatch.setattr(Loop, "_step", stepping)


def test_a_full_disk_is_one_line_and_the_run_goes_on_exactly_afterwards(tiny, tmp_path, monkeypatch):
    expected = train_run(tiny(), tmp_path / "whole")
    real, syncs = os.fsync, iter(range(10_000))

    def sync(file):
        if next(syncs) > 25:
            raise OSError(28, "No space left on device")
        real(file)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", sync)
        with pytest.raises(RunError, match="the disk is full") as caught:
            train_run(tiny(), tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "run").rglob("*.partial"))
    result = train_run(tiny(), tmp_path / "run")
    assert (result.status, result.scores) == ("begun", expected.scores)


def test_a_checkpoint_of_another_launch_is_refused(tiny, tmp_path, monkeypatch):
    stop_at(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        train_run(tiny(), tmp_path / "run")
    monkeypatch.setattr(Loop, "_launch", lambda _: {"processes": 2, "precision": "no", "device": "cpu"})
    with pytest.raises(CheckpointError, match="begun with processes 1, now it is 2"):
        train_run(tiny(), tmp_path / "run")


def test_going_on_with_other_threads_is_told(tiny, tmp_path, monkeypatch):
    stop_at(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        train_run(tiny(), tmp_path / "run")
    torch.set_num_threads(2)
    heard = []
    train_run(tiny(), tmp_path / "run", listen=heard.append)
    told = [event.text for event in heard if isinstance(event, Note)]
    assert "threads: 1 before, 2 now; the last digits of the numbers may differ" in told
    assert not any("torch:" in text for text in told)


def test_a_label_seen_once_and_an_unknown_task_stop_before_anything_is_written(tiny, tmp_path, reviews):
    reviews.write_text(reviews.read_text() + "a text like no other,rare\n")
    with pytest.raises(DataError, match="label 'rare' occurs once"):
        train_run(tiny(), tmp_path / "run")
    with pytest.raises(SpecError, match="no task is named 'gossip'"):
        train_run(tiny(task="gossip"), tmp_path / "other")
    assert not (tmp_path / "run" / "config.json").exists()
    assert not (tmp_path / "other").exists()


def test_marks_are_of_the_texts_that_were_seen(tiny, tmp_path):
    data = CLASSIFY.prepare(tiny(), None, lambda _: None)
    assert len(data.marks) == len(data.train) + len(data.validation)
    assert np.all(np.diff(data.marks) > 0)
