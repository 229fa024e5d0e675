"""A model's answers to one part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import nn

from regard.tasks.batches import in_order_of_length
from regard.tasks.task import Part, Task

_BATCH = 256


@dataclass(frozen=True)
class Answers:
    """The class answered for each row of a part (rows,), the mean loss, and the mean breadth of attention (tokens)."""

    classes: NDArray[np.int64]
    loss: float
    breadth: float


def answers(task: Task, model: nn.Module, part: Part, accelerator: Accelerator) -> Answers:
    """Runs the model, in evaluation mode, over all rows. With several processes each runs its share; all get all.

    The model's mode is put back afterwards.
    """
    plain = accelerator.unwrap_model(model)
    found = torch.zeros(len(part), dtype=torch.int64, device=accelerator.device)
    total = torch.zeros(2, dtype=torch.float64 if accelerator.device.type != "mps" else torch.float32)
    training = plain.training
    plain.eval()
    batches = in_order_of_length(part.lengths, _BATCH)
    with torch.no_grad(), accelerator.autocast():
        for rows in batches[accelerator.process_index :: accelerator.num_processes]:
            outcome = task.judge(plain, part.batch(rows).to(accelerator.device), 0.0)
            found[torch.from_numpy(rows).to(found.device)] = outcome.answers
            total += torch.stack((outcome.losses.sum(), outcome.breadths.sum())).cpu()
    plain.train(training)
    summed = accelerator.reduce(found, reduction="sum")
    loss, breadth = (accelerator.reduce(total.to(accelerator.device), reduction="sum") / len(part)).tolist()
    return Answers(summed.cpu().numpy(), loss, breadth)
