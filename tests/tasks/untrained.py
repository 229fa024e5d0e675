"""Runs whose weights were drawn and never trained: what a question says of a model holds for any weights."""

from pathlib import Path

import numpy as np
import torch

from regard.tasks.event import unheard
from regard.train.run import Run


def untrained(task, settings, *, seed=0):
    """(a run, its training part)."""
    data = task.prepare(settings, None, unheard)
    torch.manual_seed(seed)
    return Run(Path("untrained"), task, data.setup, task.build(data.setup).eval()), data.train


def first(part, row=0):
    """The batch of one row."""
    return part.batch(np.array([row]))


def without(question, *places):
    """keep (1, units): all but these."""
    keep = torch.ones(1, len(question.units), dtype=torch.bool)
    keep[0, list(places)] = False
    return keep
