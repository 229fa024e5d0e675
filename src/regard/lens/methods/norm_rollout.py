"""Rollout of value-weighted norms in place of weights."""

from __future__ import annotations

from regard.lens.flow import recorded
from regard.lens.methods.method import Asking, Method, Weighed, attention_of, counted
from regard.lens.methods.value_norms import projected
from regard.lens.products import carried_by_norm
from regard.lens.question import Question
from regard.lens.rollout import rolled, to_units


def _weigh(question: Question, asking: Asking) -> Weighed:
    """As `rollout`, with the shares of `value norms`. Modarressi et al. 2022 (GlobEnc) also take the residual
    connection and the normalisation into each layer's sizes; here the residual connection is a half, as in rollout."""
    attention = attention_of(question)
    flow = recorded(attention, values=True)
    weights = to_units(rolled(flow, carry=carried_by_norm), attention.tokens, len(question.units))
    return Weighed(
        weights,
        f"sizes of what attention moves ({projected(flow)}) as shares, through {counted(len(flow.calls))}, half of "
        f"each the residual connection, from {flow.found}",
    )


METHOD = Method(
    name="norm rollout",
    about="the size of the values that attention moves, multiplied through all layers",
    needs=("attention",),
    cost=lambda units: 3,
    signed=False,
    paper="Kobayashi et al. 2020, arXiv 2004.10102, in the rollout of Abnar & Zuidema 2020",
    weigh=_weigh,
)
