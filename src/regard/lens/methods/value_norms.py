"""Attention weighed by the size of what it moves: norms of the weighted, projected values."""

from __future__ import annotations

from regard.lens.flow import Flow, recorded
from regard.lens.methods.mean_attention import mean_of_layers
from regard.lens.methods.method import Asking, Method, Weighed, attention_of, counted
from regard.lens.products import carried_by_norm
from regard.lens.question import Question
from regard.lens.rollout import to_units


def _weigh(question: Question, asking: Asking) -> Weighed:
    attention = attention_of(question)
    flow = recorded(attention, values=True)
    weights = to_units(mean_of_layers(flow, carried_by_norm), attention.tokens, len(question.units))
    layers = sum(call.keys == flow.explained for call in flow.calls)
    return Weighed(
        weights,
        f"sizes of what attention moves ({projected(flow)}) as shares, mean over {counted(layers)}, from {flow.found}",
    )


def projected(flow: Flow) -> str:
    """What the sizes are of, in words."""
    found = sum(call.projection is not None for call in flow.calls)
    if found == len(flow.calls):
        return "values through the output projection"
    return f"values, through the output projection in {found} of {len(flow.calls)} layers"


METHOD = Method(
    name="value norms",
    about="the size of the values that attention moves; mean over layers",
    needs=("attention",),
    cost=lambda units: 2,
    signed=False,
    paper="Kobayashi et al. 2020, arXiv 2004.10102",
    weigh=_weigh,
)
