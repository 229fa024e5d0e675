"""Training on rows that are in memory already: the same loop, with no folder and nothing written."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from regard.tasks.event import Listener, unheard
from regard.tasks.task import Prepared, Task
from regard.train.keeper import InMemory
from regard.train.launch import accelerator_for
from regard.train.loop import Loop
from regard.train.training import kept_randomness, trained


@dataclass(frozen=True)
class Fitted:
    """model: on the CPU, in evaluation mode, with the weights of its best epoch. epochs: how many it was trained for;
    best_epoch: from 1; loss: the validation part's mean loss after it."""

    model: nn.Module
    epochs: int
    best_epoch: int
    loss: float


def fit(task: Task, data: Prepared, *, listen: Listener = unheard) -> Fitted:
    """Trains a task's model on prepared parts; the test part is not looked at. torch's random state is put back.

    Raises:
        NonFiniteLossError: more losses were NaN or infinite than the settings allow.
    """
    settings = data.settings.train
    accelerator = accelerator_for(settings.precision, partly=task.partly)
    with kept_randomness(accelerator):
        torch.manual_seed(settings.seed)
        loop = Loop(task, data, task.build(data.setup), InMemory(), accelerator, listen)
        model = trained(loop)
    state = loop.state
    accelerator.free_memory()
    return Fitted(model.cpu().eval(), loop.epochs.done(state.step), state.best_epoch, state.best_loss)
