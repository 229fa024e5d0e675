"""A model's answers to one part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from numpy.typing import NDArray
from torch import nn

from regard.tasks.batches import in_order_of_length
from regard.tasks.part import MeasuredPart
from regard.tasks.task import Outcome, Setup, Task

_BATCH = 256  # rows; fewer where train.tokens says so


@dataclass(frozen=True)
class Answers:
    """The answer to each row of a part (None where they were not asked for), the mean loss of its units, and the mean
    breadth of attention (tokens; None where the task has none)."""

    answers: Sequence[Any] | NDArray[Any] | None
    loss: float
    breadth: float | None


def answers(
    task: Task, setup: Setup, model: nn.Module, part: MeasuredPart, accelerator: Accelerator, *, decode: bool = True
) -> Answers:
    """Runs the model, in evaluation mode, over all rows. With several processes each runs its share; all get all.

    `decode=False` asks for the loss alone. The model's mode is put back afterwards.
    """
    plain = accelerator.unwrap_model(model)
    total = torch.zeros(3, dtype=torch.float64 if accelerator.device.type != "mps" else torch.float32)
    found: list[tuple[int, Any]] = []
    spread = True
    training = plain.training
    plain.eval()
    batches = in_order_of_length(part.lengths, _BATCH, setup.settings.train.tokens)
    with torch.no_grad(), accelerator.autocast():
        for rows in batches[accelerator.process_index :: accelerator.num_processes]:
            batch = part.batch(rows).to(accelerator.device)
            outcome = task.judge(plain, batch, setup)
            if decode:
                found += zip(rows.tolist(), answered(task, plain, batch, setup, outcome), strict=True)
            spread = spread and outcome.breadths is not None
            breadths = outcome.losses.new_zeros(1) if outcome.breadths is None else outcome.breadths
            total[:2] += torch.stack((outcome.losses.sum(), breadths.sum())).cpu()
            total[2] += outcome.units
    plain.train(training)
    loss, breadth, units = accelerator.reduce(total.to(accelerator.device), reduction="sum").tolist()
    whole = in_order(task, dict(gather_object(found))) if decode else None
    return Answers(whole, loss / max(units, 1), breadth / len(part) if spread else None)


def answered(task: Task, model: nn.Module, batch: Any, setup: Setup, outcome: Outcome) -> Sequence[Any]:
    """One plain answer a row: those of the outcome, or decoded."""
    if outcome.answers is not None:
        return list(outcome.answers.cpu().numpy())
    assert task.answer is not None, f"task {task.name} has neither answers in its outcome nor a way to decode them"
    return task.answer(model, batch, setup)


def in_order(task: Task, found: Mapping[int, Any]) -> Sequence[Any] | NDArray[Any]:
    """The answers in the order of their rows; those that came with the losses, all of one shape, as an array."""
    placed = [found[row] for row in range(len(found))]
    return placed if task.answer is not None else np.stack(placed)
