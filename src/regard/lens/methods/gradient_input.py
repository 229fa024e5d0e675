"""Gradient times input."""

from __future__ import annotations

import torch

from regard.lens.methods.method import Asking, Method, Weighed, gradients_of
from regard.lens.question import Question


def _weigh(question: Question, asking: Asking) -> Weighed:
    """x · ∂score/∂x, added up over each unit: the first-order part of what the unit is worth beside zeros."""
    given = gradients_of(question)
    with torch.enable_grad():
        leaf = given.leaf.detach().clone().requires_grad_()
        (slope,) = torch.autograd.grad(given.score(leaf).sum(), leaf)
    weights = given.to_units(leaf.detach() * slope).double()
    return Weighed(weights if given.signed else weights.abs(), f"the gradient times {given.of}")


METHOD = Method(
    name="gradient x input",
    about="the gradient of the score times the input, added up over each unit",
    needs=("gradients",),
    cost=lambda units: 3,
    signed=True,
    paper="Shrikumar et al. 2016, arXiv 1605.01713",
    weigh=_weigh,
)
