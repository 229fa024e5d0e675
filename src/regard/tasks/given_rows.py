"""Rows that are given in memory, in place of files: which of them train, and how much each counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from regard.spec.errors import SpecError
from regard.tasks.epochs import decided_epochs
from regard.tasks.event import Listener
from regard.tasks.part import Indices, MeasuredPart
from regard.tasks.task import Judge, Outcome, Prepared, Setup

Weights = NDArray[np.float32]


@dataclass(frozen=True)
class WeighedBatch:
    """A batch, and what each of its rows counts, (rows,)."""

    batch: Any
    weights: Tensor

    def __len__(self) -> int:
        return len(self.batch)

    @property
    def tokens(self) -> int:
        return int(self.batch.tokens)

    @property
    def places(self) -> int:
        return int(self.batch.places)

    def to(self, device: torch.device) -> WeighedBatch:
        """The same batch on another device."""
        return WeighedBatch(self.batch.to(device), self.weights.to(device))


@dataclass(frozen=True, eq=False)
class WeighedPart:
    """Some rows of a part, and what each of them counts, (rows,)."""

    whole: MeasuredPart
    rows: Indices
    weights: Weights

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def lengths(self) -> Indices:
        return self.whole.lengths[self.rows]

    @property
    def truths(self) -> Any:
        return self.whole.truths[self.rows]

    def batch(self, rows: Indices) -> WeighedBatch:
        """The batch of these rows, in this order."""
        return WeighedBatch(self.whole.batch(self.rows[rows]), torch.from_numpy(self.weights[rows]))


def weighed(judge: Judge) -> Judge:
    """The same judgement of weighed batches, for tasks with one loss a row."""

    def judged(model: nn.Module, batch: WeighedBatch, setup: Setup) -> Outcome:
        found = judge(model, batch.batch, setup)
        return replace(found, losses=found.losses * batch.weights.to(found.losses.dtype))

    return judged


def prepared_rows(
    setup: Setup, whole: MeasuredPart, sides: tuple[Indices, Indices], weights: Weights, listen: Listener
) -> Prepared:
    """Parts of rows in memory. sides: the rows that train and those that choose the best epoch; weights (rows of the
    whole,). There is no test part: those who give rows hold out what they test on."""
    train, validation = (WeighedPart(whole, rows, weights[rows]) for rows in sides)
    setup = replace(setup, settings=decided_epochs(setup.settings, train, listen))
    counts = {"train": len(train), "validation": len(validation)}
    return Prepared(setup, train, validation, validation, protocol="given", counts=counts)


def parted_rows(
    count: int, share: float, *, seed: int, classes: Sequence[int] | NDArray[np.int64] | None = None
) -> tuple[Indices, Indices]:
    """(the rows that train, those that choose the best epoch), drawn by the seed; each class in proportion, and none
    without a row to train on. Where so few are given that no row would choose, all rows do both.

    Raises:
        SpecError: the share is not between 0 and 1.
    """
    if not 0 <= share < 1:
        raise SpecError(f"validation was {share!r}: expected a share of the rows, 0 <= share < 1")
    draw = np.random.default_rng(seed)
    order = draw.permutation(count)
    if classes is not None:  # one class after the other in a ring, so that each share of it has all of them
        order = _spread(order, np.asarray(classes))
    held = np.sort(order[: round(share * count)])
    train = np.setdiff1d(np.arange(count), held)
    if classes is not None:
        lacking = np.setdiff1d(np.asarray(classes), np.asarray(classes)[train])
        moved = np.isin(np.asarray(classes)[held], lacking)
        train, held = np.sort(np.concatenate((train, held[moved]))), held[~moved]
    return (train, held) if len(held) else (np.arange(count), np.arange(count))


def _spread(order: Indices, classes: NDArray[np.int64]) -> Indices:
    """The rows in an order any stretch of which has the classes about in their proportions."""
    places = np.empty(len(order))
    for one in np.unique(classes):
        mine = order[classes[order] == one]
        places[mine] = (np.arange(len(mine)) + 0.5) / len(mine)
    return order[np.argsort(places[order], kind="stable")]
