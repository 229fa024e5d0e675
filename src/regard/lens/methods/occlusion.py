"""Occlusion: each unit taken away alone."""

from __future__ import annotations

import torch

from regard.lens.methods.method import Asking, Method, Weighed
from regard.lens.question import Question

_ROWS = 1024  # rows of the table of what is kept, made at once: (rows, units) bool


def _weigh(question: Question, asking: Asking) -> Weighed:
    """How far the target's log-probability falls without each unit."""
    units = len(question.units)
    whole = question.scores(torch.ones(1, units, dtype=torch.bool), asking.way)
    found = []
    for start in range(0, units, _ROWS):
        stop = min(start + _ROWS, units)
        keep = torch.ones(stop - start, units, dtype=torch.bool)
        keep[torch.arange(stop - start), torch.arange(start, stop)] = False
        found.append(whole - question.scores(keep, asking.way))
    words = question.way(asking.way).words
    return Weighed(torch.cat(found), f"how far the log-probability falls without each unit, one at a time ({words})")


METHOD = Method(
    name="occlusion",
    about="how far the score falls without each unit, one at a time",
    needs=("scores",),
    cost=lambda units: units + 1,
    signed=True,
    paper="Zeiler & Fergus 2014, arXiv 1311.2901; leave-one-out: Li et al. 2016, arXiv 1612.08220",
    weigh=_weigh,
)
