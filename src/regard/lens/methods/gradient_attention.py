"""Attention weighed by its gradient, through all layers."""

from __future__ import annotations

from regard.lens.flow import recorded
from regard.lens.methods.method import Asking, Method, Weighed, attention_of, counted
from regard.lens.products import carried_by_gradient
from regard.lens.question import Question
from regard.lens.rollout import Mixing, rolled, to_units

_ADDED = Mixing(kept=1.0, moved=1.0)


def _weigh(question: Question, asking: Asking) -> Weighed:
    """R + ĀR through the layers (Chefer et al. 2021, eq. 5-6), as a vector. Where we depart: between decoder and
    encoder the paper normalises self-attention's relevance first (eq. 8-10); here the layers are multiplied as they
    are. What stayed in place through all layers, the identity, is taken off again in the end, as their code does."""
    attention = attention_of(question)
    flow = recorded(attention, gradients=True)
    found = rolled(flow, carry=carried_by_gradient, mixing=_ADDED)
    if len(found) == len(flow.readout) and flow.calls[-1].queries == flow.explained:
        found = found - flow.readout
    weights = to_units(found, attention.tokens, len(question.units))
    return Weighed(
        weights,
        f"attention times its gradient where above 0, through {counted(len(flow.calls))}, mean over heads, from "
        f"{flow.found}",
    )


METHOD = Method(
    name="gradient attention",
    about="attention times its gradient, where above 0, added up through all layers",
    needs=("attention", "gradients"),
    cost=lambda units: 3,
    signed=False,
    paper="Chefer et al. 2021, arXiv 2103.15679",
    weigh=_weigh,
)
