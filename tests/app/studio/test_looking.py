"""A pass tells how far it is, and stops inside the model where it is asked to."""

import pytest
import torch
from torch import nn

from regard.app.studio.jobs import CancelledError, Job
from regard.app.studio.looking import told


class Block(nn.Module):
    def __init__(self, ran, number):
        super().__init__()
        self.inner, self.ran, self.number = nn.Linear(2, 2), ran, number

    def forward(self, x):
        self.ran.append(self.number)
        return self.inner(x)


class Stack(nn.Module):
    def __init__(self, ran):
        super().__init__()
        self.blocks = nn.ModuleList(Block(ran, number) for number in range(4))

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


def test_each_block_is_told():
    model, lines = Stack([]), []
    with told(model, lambda fraction, line: lines.append((fraction, line)), lambda: None):
        model(torch.ones(1, 2))
    assert lines == [(0.25, "block 1 of 4"), (0.5, "block 2 of 4"), (0.75, "block 3 of 4"), (1.0, "block 4 of 4")]
    model(torch.ones(1, 2))
    assert len(lines) == 4  # nothing is left on the model


def test_a_stop_ends_the_pass_at_the_next_block():
    ran, job = [], Job("look", "t", {}, "models")
    model = Stack(ran)

    def tell(fraction, line):
        if fraction == 0.5:
            job.stop()

    with pytest.raises(CancelledError), told(model, tell, job.check):
        model(torch.ones(1, 2))
    assert ran == [0, 1]
    model(torch.ones(1, 2))
    assert ran == [0, 1, 0, 1, 2, 3]


def test_a_model_without_a_stack_is_told_by_its_parts():
    model, lines = nn.Sequential(nn.Linear(2, 2), nn.ReLU()), []
    with told(model, lambda fraction, line: lines.append(line), lambda: None):
        model(torch.ones(1, 2))
    assert lines == ["block 1 of 2", "block 2 of 2"]
