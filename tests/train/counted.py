"""A task that is no classification: tell how many ones a row of zeros and ones has. Losses a token, lower is better."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from regard.tasks.memory_part import MemoryPart
from regard.tasks.scores.measure import Measure, mean_of
from regard.tasks.sections import CoreSettings, DataSettings, TrainSettings
from regard.tasks.settings import Settings
from regard.tasks.task import Outcome, Prepared, Setup, Task


@dataclass(frozen=True)
class Ones:
    """rows (batch, len) of -1 for padding, 0 and 1."""

    rows: torch.Tensor

    def __len__(self):
        return len(self.rows)

    @property
    def tokens(self):
        return int((self.rows >= 0).sum())

    @property
    def places(self):
        return self.rows.numel()

    def to(self, device):
        return Ones(self.rows.to(device))


def part(rows):
    lengths = np.array([len(row) for row in rows])

    def collate(wanted):
        padded = torch.full((len(wanted), int(lengths[wanted].max())), -1.0)
        for place, row in enumerate(wanted):
            padded[place, : lengths[row]] = torch.tensor(rows[row])
        return Ones(padded)

    return MemoryPart(lengths, collate, [float(sum(row)) for row in rows])


class OwnOrder:
    """The same rows as a part that brings its own order, and has neither lengths nor truths."""

    def __init__(self, inner):
        self.inner, self.asked = inner, []

    def __len__(self):
        return len(self.inner)

    def batch(self, rows):
        self.asked.append(rows.tolist())
        return self.inner.batch(rows)

    def order(self, size, seed):
        return Chunks(len(self.inner), size.rows, seed)


@dataclass(frozen=True)
class Chunks:
    rows: int
    size: int
    seed: int

    def steps(self, epoch):
        return -(-self.rows // self.size)

    def batches(self, epoch, start=0):
        order = np.random.default_rng((self.seed, epoch)).permutation(self.rows)
        for place in range(start, self.steps(epoch)):
            yield order[place * self.size : (place + 1) * self.size]


class Weight(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, 1))

    def forward(self, rows):
        return rows * self.weight


def judge(model, batch, setup):
    """Each one is to become 1: a loss a token, padding out."""
    real = batch.rows >= 0
    losses = (model(batch.rows) - batch.rows).square()[real]
    return Outcome(losses, int(real.sum()))


def answer(model, batch, setup):
    return (model(batch.rows) * (batch.rows >= 0)).sum(1).tolist()


def _error(answers, truths):
    return mean_of(np.abs(np.array(answers) - np.array(truths)))


ERROR = Measure("absolute error", _error, "lower")
SETTINGS = Settings(
    task="count",
    data=DataSettings(path="nowhere"),
    core=CoreSettings(kind="transformer"),
    train=TrainSettings(epochs=6, batch=8, optimizer="sgd", rate=0.2, momentum=0, schedule="constant", warmup=0),
)


def prepare(settings, kept, listen):
    draw = np.random.default_rng(0)
    rows = [draw.integers(0, 2, draw.integers(1, 9)).tolist() for _ in range(60)]
    parts = part(rows[:40]), part(rows[40:50]), part(rows[50:])
    setup = Setup(settings, {"rows": 60}, {"vocab/notes.txt": "zeros and ones"})
    return Prepared(setup, *parts, protocol="part:test|rows:10", counts={"train": 40})


COUNT = Task(
    name="count",
    about="how many ones",
    example="regard train count",
    beside="always none",
    takes="no time",
    files="none",
    presets={"transformer": SETTINGS},
    digest=lambda settings, listen: "0",
    prepare=prepare,
    build=lambda setup: Weight(),
    judge=judge,
    answer=answer,
    measures=lambda setup: (ERROR,),
    baselines=lambda data: {"always none": [0.0] * len(data.test)},
)
