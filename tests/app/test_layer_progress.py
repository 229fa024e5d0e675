"""How far a model is, by its blocks."""

import io

import torch
from rich.console import Console
from torch import nn

from regard.app.layer_progress import layer_progress
from regard.app.screen import Screen


class Stack(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
        self.heads = nn.ModuleList([nn.Linear(2, 2)])

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.heads[0](x)


def shown(terminal, model):
    screen = Screen()
    out = io.StringIO()
    screen.console = Console(file=out, force_terminal=terminal, width=60, highlight=False)
    with layer_progress(screen, model):
        model(torch.zeros(1, 2))
    return out.getvalue()


def test_a_bar_on_a_terminal():
    assert "block 3 of 3" in shown(True, Stack())


def test_nothing_stays_on_the_model_also_after_an_error():
    model = Stack()
    try:
        with layer_progress(Screen(), model):
            model(torch.zeros(1, 5))
    except RuntimeError:
        pass
    assert all(not block._forward_hooks for block in model.blocks)


def test_a_model_without_blocks_runs_too():
    assert shown(True, nn.Linear(2, 2)) == ""
