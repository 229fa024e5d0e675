"""What a task is: a frozen value that says how rows become parts, a model, a loss, answers and scores.

It has no loop of its own; `regard.train` runs any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from regard.spec.errors import SpecError
from regard.tasks.baseline import Baseline
from regard.tasks.event import Listener
from regard.tasks.metrics import Metric
from regard.tasks.settings import Settings
from regard.tasks.split import Split
from regard.tasks.vocabulary import Vocabulary


class Batch(Protocol):
    """Rows that go through the model together."""

    @property
    def targets(self) -> Tensor: ...  # (batch,) int64
    def __len__(self) -> int: ...
    def to(self, device: torch.device) -> Any: ...


class Part(Protocol):
    """Encoded rows: training, validation or test."""

    @property
    def targets(self) -> NDArray[np.int64]: ...  # (rows,)
    def __len__(self) -> int: ...
    @property
    def lengths(self) -> NDArray[np.int64]: ...
    def batch(self, rows: NDArray[np.int64]) -> Any: ...


@dataclass(frozen=True)
class Prepared:
    """A task's data, ready for the loop. `settings` are those of the run with every "auto" decided."""

    settings: Settings
    split: Split
    labels: tuple[str, ...]
    vocabulary: Vocabulary
    train: Part
    validation: Part
    test: Part


@dataclass(frozen=True)
class Outcome:
    """What a model made of a batch: one loss a row, the class it answers, and over how many tokens it spread its
    attention (breadth, exp of the weights' entropy); each (batch,)."""

    losses: Tensor
    answers: Tensor
    breadths: Tensor


@dataclass(frozen=True)
class Task:
    """One task.

    presets: settings by name; the first is the default, and those named as a core are that core's.
    digest: (settings, listener) -> what the data files' bytes come down to; other data, another digest.
    prepare: (settings, vocabulary or None to train one, listener) -> the parts.
    build: (settings, vocabulary entries, classes) -> the model.
    judge: (model, batch, label smoothing) -> losses and answers.
    measure: (answers, targets, classes, protocol) -> scores; the first chooses the best epoch.
    baselines: simple methods' answers to the test part; beside: what they are called, as far as data do not decide.
    takes: how long the default takes, on two cores, as measured (docs/results.md).
    """

    name: str
    about: str
    example: str
    beside: str
    takes: str
    presets: Mapping[str, Settings]
    digest: Callable[[Settings, Listener], str]
    prepare: Callable[[Settings, Vocabulary | None, Listener], Prepared]
    build: Callable[[Settings, int, int], nn.Module]
    judge: Callable[[nn.Module, Any, float], Outcome]
    measure: Callable[[NDArray[np.int64], NDArray[np.int64], int, str], tuple[Metric, ...]]
    baselines: Callable[[Prepared], tuple[Baseline, ...]]

    def settings(self, preset: str | None = None) -> Settings:
        """The settings of a preset, the first one by default.

        Raises:
            SpecError: there is no such preset; the message lists those there are.
        """
        name = next(iter(self.presets)) if preset is None else preset
        if name not in self.presets:
            raise SpecError(f"task {self.name} has no preset {name!r}; those there are: {', '.join(self.presets)}")
        return self.presets[name]


def task_named(name: str, tasks: Sequence[Task]) -> Task:
    """The task of that name.

    Raises:
        SpecError: there is none; the message lists those there are.
    """
    for task in tasks:
        if task.name == name:
            return task
    raise SpecError(f"no task is named {name!r}; those there are: {', '.join(task.name for task in tasks)}")
