"""What a task is: a frozen value that says how rows become parts, a model, a loss, answers and scores.

It has no loop of its own; `regard.train` runs any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from regard.spec.errors import SpecError
from regard.spec.value import few
from regard.tasks.event import Listener
from regard.tasks.explained import Explained
from regard.tasks.part import MeasuredPart, OrderedPart, Part
from regard.tasks.scores.measure import Measure
from regard.tasks.sections import DataSettings
from regard.tasks.settings import Settings, differences, sections

_NO_MARKS: NDArray[np.int64] = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Setup:
    """What a run is besides its weights; with them it answers, without the data.

    settings: with every "auto" decided. facts: plain JSON (labels, sizes, scaling: all that `build` needs). kept: small
    text files of the run's folder, by path ("vocab/tokenizer.json"), and what is in each.
    """

    settings: Settings
    facts: Mapping[str, Any] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Prepared:
    """A task's data, ready for the loop.

    protocol: how the test part came about, for the names of its scores. counts: rows of each part, and left out, for
    config.json. marks: 64 bits of each row that training or validation sees, sorted. groups: where rows of the test
    part hang together, the name of each one's group, for the intervals. rows: what the task's own baselines need
    (nothing else looks at it).
    """

    setup: Setup
    train: Part | OrderedPart
    validation: MeasuredPart
    test: MeasuredPart
    protocol: str
    counts: Mapping[str, int]
    marks: NDArray[np.int64] = field(default_factory=lambda: _NO_MARKS)
    groups: Sequence[Hashable] | None = None
    rows: Any = None

    @property
    def settings(self) -> Settings:
        return self.setup.settings


@dataclass(frozen=True)
class Outcome:
    """What a model made of a batch.

    losses: of any shape; the loop adds them up. units: how many rows, or tokens, they are losses of: the loss that is
    trained is their sum over all processes, divided by all units. hits: how many units were answered right (for the
    line of progress). breadths (rows,): over how many tokens each row spread its attention (exp of the weights'
    entropy). answers (rows, ...): where they cost no second pass.
    """

    losses: Tensor
    units: int
    hits: Tensor | None = None
    breadths: Tensor | None = None
    answers: Tensor | None = None


@dataclass(frozen=True)
class Asked:
    """How a file is read for a trained run: by default the columns that it was trained on."""

    path: Path
    columns: Mapping[str, str] = field(default_factory=dict)  # role -> column's name
    truths: bool = True  # False: there is nothing to score, only rows to answer
    skip_refused: bool = False


@dataclass(frozen=True)
class Given:
    """Rows given to a trained run, encoded. numbers: their rows in the file, from 1. shown: each row in words (its
    text, its file's path). marks: as in `Prepared`, in the rows' order; empty where a task has none. within: of rows
    made of several that a run may be trained on (the events of a history), the marks of each; else empty."""

    name: str
    part: MeasuredPart
    numbers: tuple[int, ...]
    shown: tuple[str, ...]
    refused: int = 0
    marks: NDArray[np.int64] = field(default_factory=lambda: _NO_MARKS)
    within: Sequence[NDArray[np.int64]] = ()

    def place(self, number: int | None) -> int | None:
        """Where the file's row of this number is among these rows, from 0, the first of them for None; None where it is
        not among them."""
        if number is None:
            return 0
        return self.numbers.index(number) if number in self.numbers else None

    @property
    def few_numbers(self) -> str:
        """The rows' numbers, of many the first few: "1, 2, 3, 4, 5 and 115 more"."""
        return few(sorted(self.numbers))


Judge = Callable[[nn.Module, Any, Setup], Outcome]
Answer = Callable[[nn.Module, Any, Setup], Sequence[Any]]


@dataclass(frozen=True)
class Task:
    """One task.

    about, example, beside, takes, files: what `regard tasks` says of it; `beside` are its baselines, `files` the format
    of one's own data, `takes` how long the default takes on two cores, as measured.
    presets: settings by name; the first is the default, and those named as a core are that core's. Their sections and
    their kinds of core are all that the task has.
    unused: settings of those sections that do nothing here, by dotted path: to change one is refused.
    roles: the columns of a file, by what they are for; `data.columns` gives them other names.
    digest: (settings, listener) -> what the data files' bytes come down to; other data, another digest.
    prepare: (settings, kept files of a begun run or None, listener) -> the parts.
    build: (setup) -> the model, its weights drawn from torch's random state.
    judge: (model, batch, setup) -> losses. One call of `model(...)` in training mode, so that several processes stay in
    step; what is for training only (label smoothing) asks `model.training`.
    answer: (model, batch, setup) -> one decoded answer a row, any plain value; None where `judge` has them already.
    measures: (setup) -> the scores; the first chooses the best epoch, unless `chosen_by` is "loss", which is for tasks
    that decode slowly, and says how much better than a baseline the model is. With a setup of no facts it gives at
    least their names.
    baselines: simple methods' answers to the test part, by name.
    protocol: (settings) -> what they add to a score's protocol, such as "|budget:0.5"; None: nothing.
    spent: (setup, lengths (rows,)) -> the share of the tokens that the model's layers process; None: all of them.
    read, typed: rows of a file, or typed texts, for a trained run; None where a task cannot.
    tell: (model, batch, setup) -> what `regard predict` says of each row; None: the answer.
    explain: (model, a batch of one row, setup) -> which units the model looked at, in words that fit the data.
    heads: the model's own parts that are not shared when several tasks stand on one core.
    joint: (the preparations of several tasks on one core) -> the kept files that all of them use.
    partly: True where a step uses only some of the weights.
    """

    name: str
    about: str
    example: str
    beside: str
    takes: str
    files: str
    presets: Mapping[str, Settings]
    digest: Callable[[Settings, Listener], str]
    prepare: Callable[[Settings, Mapping[str, str] | None, Listener], Prepared]
    build: Callable[[Setup], nn.Module]
    judge: Judge
    measures: Callable[[Setup], tuple[Measure, ...]]
    baselines: Callable[[Prepared], Mapping[str, Any]]
    answer: Answer | None = None
    chosen_by: Literal["metric", "loss"] = "metric"
    unused: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    protocol: Callable[[Settings], str] | None = None
    spent: Callable[[Setup, NDArray[np.int64]], float] | None = None
    read: Callable[[Asked, Setup], Given] | None = None
    typed: Callable[[Sequence[str], Setup], Given] | None = None
    tell: Callable[[nn.Module, Any, Setup], Sequence[Mapping[str, Any]]] | None = None
    explain: Callable[[nn.Module, Any, Setup], Explained] | None = None
    heads: tuple[str, ...] = ()
    joint: Callable[[Sequence[Prepared]], Mapping[str, str]] | None = None
    partly: bool = False

    def settings(self, preset: str | None = None) -> Settings:
        """The settings of a preset, the first one by default.

        Raises:
            SpecError: there is no such preset; the message lists those there are.
        """
        name = next(iter(self.presets)) if preset is None else preset
        if name not in self.presets:
            raise SpecError(f"task {self.name} has no preset {name!r}; those there are: {', '.join(self.presets)}")
        return self.presets[name]

    def check(self, settings: Settings) -> None:
        """Refuses settings that this task has no use for.

        Raises:
            SpecError: a section that the task's presets lack, a core of another kind, a setting that does nothing here,
                a role that no column has.
        """
        known = {name for preset in self.presets.values() for name in sections(preset)}
        surplus = sorted(set(sections(settings)) - known)
        missing = sorted(set(sections(self.settings())) - set(sections(settings)))
        if surplus or missing:
            odd = f"no use for {', '.join(surplus)}" if surplus else f"need of {', '.join(missing)}"
            raise SpecError(f"task {self.name} has {odd}; its sections are {', '.join(sorted(known))}")
        kinds = sorted({preset.core.kind for preset in self.presets.values()})
        if settings.core.kind not in kinds:
            raise SpecError(f"core.kind was {settings.core.kind!r}, and {self.name} has: {', '.join(kinds)}")
        told = [line for line in differences(self.settings(), settings) if line.partition(":")[0] in self.unused]
        if told:
            raise SpecError(f"task {self.name} has no use for {'; '.join(told)}")
        if settings.members is not None and settings.data != DataSettings():
            raise SpecError(
                f"task {self.name} is of several tasks: data of your own is named by --set members.NAME.path=FILE, "
                f"with a name among {', '.join(settings.members)}"
            )
        roles = sorted(set(settings.data.columns) - set(self.roles))
        if roles:
            there = ", ".join(self.roles) or "none"
            raise SpecError(f"data.columns names {', '.join(roles)}, and the columns of {self.name} are: {there}")


def task_named(name: str, tasks: Sequence[Task]) -> Task:
    """The task of that name.

    Raises:
        SpecError: there is none; the message lists those there are.
    """
    for task in tasks:
        if task.name == name:
            return task
    raise SpecError(f"no task is named {name!r}; those there are: {', '.join(task.name for task in tasks)}")
