"""Checkpoints: everything a run needs to go on exactly where it was, in one safetensors file. Never pickled code.

Numbers and names are JSON in the file's header; tensors are beside them; a check sum is over all of it. Files are
written whole or not at all, and the last two are kept.

Randomness needs no state: each step's is seeded with (seed, step, process), and each epoch's order with (seed, epoch).
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from regard.disk import make_folder, write_atomically
from regard.spec.errors import CheckpointError

_KEPT = 2


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by name, and plain values."""

    tensors: Mapping[str, Tensor]
    values: Mapping[str, Any]


def write_tensors(path: Path, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    """Writes one safetensors file, atomically.

    Raises:
        RunError: the disk is full or the folder cannot be written.
    """
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    text = json.dumps(values, sort_keys=True)
    # One entry: the format keeps several in no fixed order, and equal runs should give equal files.
    write_atomically(path, save(plain, metadata={"regard": f"{_sum(plain, text)} {text}"}))


def read_tensors(path: Path, *, remedy: str) -> Checkpoint:
    """Reads what `write_tensors` wrote.

    Raises:
        CheckpointError: the file is missing, cut short or altered; the message ends with the remedy.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
    except (SafetensorError, OSError) as error:
        reason = "it is missing" if isinstance(error, FileNotFoundError) else f"{error}"
        if path.is_file() and not path.stat().st_size:
            reason = "it is empty, 0 bytes"
        raise CheckpointError(f"{path} cannot be read ({reason}); {remedy}") from None
    noted, _, text = header.get("regard", "").partition(" ")
    if noted != str(_sum(tensors, text)):
        raise CheckpointError(f"{path} was altered after it was written (its check sum is wrong); {remedy}")
    return Checkpoint(tensors, json.loads(text))


@dataclass(frozen=True)
class CheckpointFolder:
    """The checkpoints of one run: `step-00000120.safetensors` and the one before it."""

    path: Path

    def write(self, step: int, checkpoint: Checkpoint) -> None:
        """Adds a checkpoint, and removes those older than the last two.

        Raises:
            RunError: the disk is full; the checkpoints before are still there.
        """
        make_folder(self.path)
        write_tensors(self.path / f"step-{step:08d}.safetensors", checkpoint.tensors, checkpoint.values)
        for old in self._files()[:-_KEPT]:
            old.unlink(missing_ok=True)

    def latest(self) -> Checkpoint | None:
        """The last checkpoint, or None when there is none.

        Raises:
            CheckpointError: it is cut short or altered; the message says what deleting it would mean.
        """
        files = self._files()
        if not files:
            return None
        after = "starts from the beginning" if len(files) == 1 else f"goes on from {files[-2].stem}"
        return read_tensors(files[-1], remedy=f"delete this file, and the same command {after}")

    @property
    def empty(self) -> bool:
        """Whether there is no checkpoint."""
        return not self._files()

    def clear(self) -> None:
        """Removes the checkpoints and the folder."""
        for file in self._files():
            file.unlink(missing_ok=True)
        if self.path.is_dir():
            self.path.rmdir()

    def _files(self) -> list[Path]:
        return sorted(self.path.glob("step-*.safetensors"))


def optimizer_state(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """An optimizer's state as (tensors, plain values); the names are `optimizer.<parameter>.<what>`."""
    tensors: dict[str, Tensor] = {}
    values: dict[str, Any] = {}
    for parameter, state in optimizer.state_dict()["state"].items():
        for what, value in state.items():
            name = f"optimizer.{parameter}.{what}"
            if isinstance(value, Tensor):
                tensors[name] = value
            else:
                values[name] = value
    return tensors, values


def restore_optimizer(optimizer: torch.optim.Optimizer, checkpoint: Checkpoint) -> None:
    """Puts back what `optimizer_state` took. Groups (learning rate and so on) come from the settings."""
    state: dict[int, dict[str, Any]] = {}
    for name, value in (*checkpoint.tensors.items(), *checkpoint.values.items()):
        if name.startswith("optimizer."):
            _, parameter, what = name.split(".")
            state.setdefault(int(parameter), {})[what] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _sum(tensors: Mapping[str, Tensor], text: str) -> int:
    total = zlib.crc32(text.encode())
    for name in sorted(tensors):
        total = zlib.crc32(name.encode(), total)
        if tensors[name].numel():  # an empty one has no bytes to look at
            total = zlib.crc32(tensors[name].reshape(-1).view(torch.uint8).numpy().data, total)
    return total
