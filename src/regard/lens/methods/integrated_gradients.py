"""Integrated gradients, by captum: gradients along the straight way from nothing to the input."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from regard.lens.methods.method import Asking, Method, Weighed, gradients_of
from regard.lens.question import Gradients, Question
from regard.spec.extra import require

_STEPS = (16, 32, 64, 128, 256)  # tried one after the other, until the gap is small enough
_TOGETHER = 16  # points of the way that go through the model at once


def _weigh(question: Question, asking: Asking) -> Weighed:
    """The integral's completeness: the weights add up to score(input) - score(baseline). What is missing is its gap,
    told in `how` as a share of that difference."""
    require("captum", what="the method integrated gradients", extra="explain")
    given = gradients_of(question)
    with torch.no_grad():
        moved = float((given.score(given.leaf) - given.score(given.baseline)).sum())
    found, share, steps = torch.zeros_like(given.leaf), float("inf"), 0
    for steps in _STEPS if asking.steps is None else (asking.steps,):
        found = _integral(given, steps, question.together)
        share = abs(float(found.double().sum()) - moved) / max(abs(moved), 1e-12)
        if share <= asking.gap:
            break
    weights = given.to_units(found).double()
    return Weighed(
        weights if given.signed else weights.abs(),
        f"gradients added up over {steps} steps from {given.from_} to {given.of}; the weights miss "
        f"{share:.1%} of the score's difference ({moved:.3g})",
    )


def _integral(given: Gradients, steps: int, together: int) -> Tensor:
    from captum.attr import IntegratedGradients

    method: Any = IntegratedGradients(given.score)
    leaf, baseline = given.leaf.detach(), given.baseline.detach()
    together = min(together, _TOGETHER)
    with torch.enable_grad():
        made: Tensor = method.attribute(leaf, baselines=baseline, n_steps=steps, internal_batch_size=together)
    return made.detach()


METHOD = Method(
    name="integrated gradients",
    about="gradients added up along the straight way from nothing to the input",
    needs=("gradients",),
    cost=lambda units: 3 * 64,
    signed=True,
    paper="Sundararajan et al. 2017, arXiv 1703.01365; by captum",
    weigh=_weigh,
    extra="explain",
)
