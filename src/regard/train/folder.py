"""A run's folder: which file is where, and whether a run in it is new, begun or done.

config.json           what was asked for, what came of every "auto", the facts of the data (labels, sizes)
vocab/                small text files that the task keeps, such as vocab/tokenizer.json, made of the training part
model.safetensors     the weights that did best on the validation part
metrics.json          scores on the test part beside the baselines'; written last: with it the run is done
log.jsonl             what happened, one event a line
seen.safetensors      64-bit marks of the rows trained on, so that `evaluate` can say what is not new
checkpoint/           while it trains
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from torch import Tensor

from regard.disk import make_folder, remove_empty, remove_partials, write_atomically
from regard.spec.errors import AGAIN, CheckpointError, RunError
from regard.tasks.settings import Settings, changed, differences, settings_from
from regard.train.checkpoint import Checkpoint, CheckpointFolder, read_tensors, write_tensors
from regard.train.lock import held
from regard.train.record import Record

Status = Literal["new", "begun", "done"]

# Where the data lie, and how often a checkpoint is written, do not change a single number.
_FREE = {"data.path": None, "data.test_path": None, "train.checkpoint_seconds": 0}


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.json"

    @property
    def model(self) -> Path:
        return self.path / "model.safetensors"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.json"

    @property
    def seen(self) -> Path:
        return self.path / "seen.safetensors"

    @property
    def record(self) -> Record:
        return Record(self.path / "log.jsonl")

    @property
    def checkpoints(self) -> CheckpointFolder:
        return CheckpointFolder(self.path / "checkpoint")

    def status(self, asked: Settings, digest: str) -> Status:
        """Whether the run that is asked for is new here, was begun, or is done.

        Raises:
            RunError: the folder holds something else: other settings, other data, files of no run, or a run that
                was done and has lost its weights.
        """
        if not self.config.is_file():
            others = sorted(one.name for one in self.path.iterdir()) if self.path.is_dir() else []
            others = [name for name in others if name not in (".lock", "vocab", "seen.safetensors", "log.jsonl")]
            if others:
                raise RunError(f"{self.path} holds other things ({', '.join(others[:3])}); name a new or empty folder")
            return "new"
        config = self.told("asked", "data.digest")
        before = settings_from(config["asked"], where=str(self.config))
        differing = differences(changed(before, _FREE), changed(asked, _FREE))
        if differing:
            raise RunError(
                f"{self.path} holds a run with other settings ({'; '.join(differing)}); name another folder, or "
                f"delete this one to train it again"
            )
        if config["data"]["digest"] != digest:
            raise RunError(
                f"{self.path} holds a run on other data (the data file has changed since); name another folder, or "
                f"delete this one to train it again"
            )
        if not self.metrics.is_file():
            return "begun"
        if not self.model.is_file():
            raise RunError(
                f"{self.path} holds a run that was done and is broken ({self.model.name} is missing); name another "
                f"folder, or delete this one to train it again"
            )
        return "done"

    def told(self, *sections: str) -> dict[str, Any]:
        """What stands in `config.json`, with the sections that are needed (`data.digest` is one within another).

        Raises:
            CheckpointError: it is missing, cut short, or lacks one of them.
        """
        config = read_json(self.config)
        lacking = missing(config, *sections)
        if lacking is not None:
            raise CheckpointError(
                f"{self.config} lacks {lacking!r}, which every run writes there; name the folder of a run, or delete "
                f"this one and train again"
            )
        found: dict[str, Any] = config
        return found

    def begin(self, config: Mapping[str, Any], kept: Mapping[str, str], seen: Tensor) -> None:
        """Writes what a run starts from; `config.json` last. `kept`: text files, by their paths below `vocab/`.

        Raises:
            RunError: the disk is full, or the folder cannot be written.
        """
        make_folder(self.path)
        for name, text in kept.items():
            path = self._kept(name)
            make_folder(path.parent)
            write_atomically(path, text.encode())
        write_tensors(self.seen, {"marks": seen}, {})
        write_json(self.config, config)

    def lost(self, config: Mapping[str, Any]) -> str | None:
        """The first of the files that `config.json` names and that are not there; None where all are.

        Raises:
            CheckpointError: it names one elsewhere than below `vocab/`.
        """
        return next((name for name in kept_names(config) if not self._kept(name).is_file()), None)

    def kept_of(self, config: Mapping[str, Any]) -> dict[str, str]:
        """The text files that `config.json` names, by name. Raises as `kept`."""
        return self.kept(kept_names(config))

    def kept(self, names: Iterable[str]) -> dict[str, str]:
        """The text files that `begin` wrote, by name.

        Raises:
            CheckpointError: one is missing, is no text, or lies elsewhere than below `vocab/`.
        """
        return {name: self._kept_text(name) for name in names}

    def keep_best(self, epoch: int, weights: Mapping[str, Tensor]) -> None:
        """Keeps an epoch's weights beside those of the last checkpoint's best epoch, until a newer one is written."""
        make_folder(self.checkpoints.path)
        write_tensors(self._best(epoch), weights, {"epoch": epoch})

    def best(self, epoch: int) -> Checkpoint:
        """The weights that `keep_best` kept.

        Raises:
            CheckpointError: they are missing, cut short or altered.
        """
        return read_tensors(self._best(epoch), remedy=f"delete the folder {self.path} and train again")

    def drop_older_bests(self, epoch: int) -> None:
        """Removes kept weights of epochs before this one (once a checkpoint names this one as best)."""
        for file in self.checkpoints.path.glob("best-*.safetensors"):
            if file != self._best(epoch):
                file.unlink(missing_ok=True)

    def finish(self, metrics: Mapping[str, Any]) -> None:
        """Writes `metrics.json`, with which the run is done, and removes the checkpoints."""
        write_json(self.metrics, metrics)
        self.drop_older_bests(-1)
        self.checkpoints.clear()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the folder for one run; a killed process lets go of it by itself.

        A run that ends before it wrote anything leaves nothing: the folders that were made for it go again.

        Raises:
            RunError: another run is at work in it.
        """
        made = make_folder(self.path)
        try:
            with held(self.path / ".lock") as alone:
                if not alone:
                    raise RunError(f"another run is at work in {self.path}; wait for it, or name another folder")
                remove_partials(self.path)
                yield
        finally:
            remove_empty(made)

    def _kept(self, name: str) -> Path:
        """A name out of a folder of others may say anything: only what lies below `vocab/` is read or written."""
        parts = PurePosixPath(name).parts
        if parts[:1] != ("vocab",) or len(parts) < 2 or ".." in parts:
            raise CheckpointError(f"{self.config} names the file {name!r}, expected one below vocab/; train again")
        return self.path.joinpath(*parts)

    def _kept_text(self, name: str) -> str:
        path = self._kept(name)
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = "it is missing" if isinstance(error, FileNotFoundError) else str(error)
            raise CheckpointError(f"{path} cannot be read ({reason}); {AGAIN}") from None

    def _best(self, epoch: int) -> Path:
        return self.checkpoints.path / f"best-{epoch:04d}.safetensors"


def kept_names(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The text files below `vocab/` that a run keeps; older runs, which do not say so, kept their tokenizer."""
    return tuple(config.get("kept", ("vocab/tokenizer.json",)))


def missing(values: Any, *paths: str) -> str | None:
    """The first of these dotted paths that a JSON value does not hold; None where it holds all of them."""
    for path in paths:
        found = values
        for part in path.split("."):
            if not isinstance(found, Mapping) or part not in found:
                return path
            found = found[part]
    return None


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Writes a JSON file, atomically."""
    write_atomically(path, (json.dumps(values, indent=2, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """Reads a JSON file of a run.

    Raises:
        CheckpointError: it is missing or cut short.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = "it is missing" if isinstance(error, FileNotFoundError) else str(error)
        raise CheckpointError(f"{path} cannot be read ({reason}); name the folder of a run, or {AGAIN}") from None
