"""Attention rollout: attention and residual connections multiplied through all layers."""

from __future__ import annotations

from regard.lens.flow import recorded
from regard.lens.methods.method import Asking, Method, Weighed, attention_of, counted
from regard.lens.question import Question
from regard.lens.rollout import rolled, to_units


def _weigh(question: Question, asking: Asking) -> Weighed:
    attention = attention_of(question)
    flow = recorded(attention)
    weights = to_units(rolled(flow), attention.tokens, len(question.units))
    return Weighed(
        weights,
        f"attention through {counted(len(flow.calls))}, half of each the residual connection, mean over heads, from "
        f"{flow.found}",
    )


METHOD = Method(
    name="rollout",
    about="attention multiplied through all layers, half of each the residual connection",
    needs=("attention",),
    cost=lambda units: 2,
    signed=False,
    paper="Abnar & Zuidema 2020, arXiv 2005.00928",
    weigh=_weigh,
)
