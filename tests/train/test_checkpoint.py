"""Checkpoints: what is written is read back, and a broken file is named with its remedy."""

import os

import pytest
import torch
from torch import nn

from regard.spec.errors import CheckpointError, RunError
from regard.tasks.settings import TrainSettings
from regard.train.checkpoint import (
    Checkpoint,
    CheckpointFolder,
    optimizer_state,
    read_tensors,
    restore_optimizer,
    write_tensors,
)
from regard.train.optimizer import optimizer_for

TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(3), "c": torch.ones(2, dtype=torch.bfloat16)}


def test_tensors_and_values_come_back(tmp_path):
    write_tensors(tmp_path / "x", TENSORS, {"step": 3, "loss": 0.1 + 0.2, "name": "ü"})
    found = read_tensors(tmp_path / "x", remedy="-")
    assert found.values == {"step": 3, "loss": 0.1 + 0.2, "name": "ü"}
    assert set(found.tensors) == set(TENSORS)
    for name, tensor in TENSORS.items():
        assert torch.equal(found.tensors[name], tensor)
        assert found.tensors[name].dtype == tensor.dtype


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_file_cut_short_is_named_with_the_remedy(tmp_path, share):
    path = tmp_path / "x"
    write_tensors(path, TENSORS, {})
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match=r"x cannot be read \(.*\); do this") as caught:
        read_tensors(path, remedy="do this")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("back", [1, 20, 36])
def test_one_altered_byte_is_found(tmp_path, back):
    path = tmp_path / "x"
    write_tensors(path, TENSORS, {"step": 1})
    content = bytearray(path.read_bytes())
    content[-back] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"altered .* do this"):
        read_tensors(path, remedy="do this")


def test_altered_values_are_found(tmp_path):
    path = tmp_path / "x"
    write_tensors(path, TENSORS, {"step": 123})
    path.write_bytes(path.read_bytes().replace(b"123", b"124", 1))
    with pytest.raises(CheckpointError, match="altered"):
        read_tensors(path, remedy="-")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"nothing cannot be read \(it is missing\); do this"):
        read_tensors(tmp_path / "nothing", remedy="do this")


def test_a_folder_keeps_the_last_two(tmp_path):
    folder = CheckpointFolder(tmp_path / "checkpoint")
    assert folder.latest() is None
    for step in (9, 10, 100):
        folder.write(step, Checkpoint(TENSORS, {"step": step}))
    assert sorted(path.name for path in folder.path.iterdir()) == [
        "step-00000010.safetensors",
        "step-00000100.safetensors",
    ]
    assert folder.latest().values["step"] == 100


def test_a_cut_checkpoint_says_where_the_run_would_go_on(tmp_path):
    folder = CheckpointFolder(tmp_path)
    folder.write(10, Checkpoint(TENSORS, {}))
    folder.write(20, Checkpoint(TENSORS, {}))
    newest = tmp_path / "step-00000020.safetensors"
    newest.write_bytes(newest.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=r"step-00000020.*delete this file, .* goes on from step-00000010"):
        folder.latest()
    newest.unlink()
    assert folder.latest() is not None
    (tmp_path / "step-00000010.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match="starts from the beginning"):
        folder.latest()


def test_a_full_disk_leaves_the_checkpoints_before(tmp_path, monkeypatch):
    folder = CheckpointFolder(tmp_path)
    folder.write(10, Checkpoint(TENSORS, {"step": 10}))

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="the disk is full"):
        folder.write(20, Checkpoint(TENSORS, {"step": 20}))
    assert folder.latest().values["step"] == 10


def test_clear_removes_the_folder(tmp_path):
    folder = CheckpointFolder(tmp_path / "checkpoint")
    folder.write(1, Checkpoint(TENSORS, {}))
    folder.clear()
    assert not folder.path.exists()
    folder.clear()


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_an_optimizer_goes_on_as_if_nothing_had_happened(tmp_path, name):
    def model_and_optimizer():
        torch.manual_seed(0)
        model = nn.Linear(3, 2)
        return model, optimizer_for(model, TrainSettings(optimizer=name, rate=0.1))

    def step(model, optimizer, k):
        optimizer.zero_grad()
        (model(torch.full((1, 3), float(k))) ** 2).sum().backward()
        optimizer.step()

    model, optimizer = model_and_optimizer()
    for k in (1, 2, 3):
        step(model, optimizer, k)
        if k == 2:
            tensors, values = optimizer_state(optimizer)
            write_tensors(tmp_path / "x", tensors | model.state_dict(), values)
    found = read_tensors(tmp_path / "x", remedy="-")
    other, its_optimizer = model_and_optimizer()
    other.load_state_dict({key: found.tensors[key] for key in ("weight", "bias")})
    restore_optimizer(its_optimizer, found)
    step(other, its_optimizer, 3)
    assert torch.equal(other.weight, model.weight)
    assert torch.equal(other.bias, model.bias)
