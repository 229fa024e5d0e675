"""Raw attention of the last layer, from where the answer is read."""

from __future__ import annotations

from regard.lens.flow import recorded
from regard.lens.methods.method import Asking, Method, Weighed, attention_of
from regard.lens.products import carried
from regard.lens.question import Question
from regard.lens.rollout import start, to_units


def _weigh(question: Question, asking: Asking) -> Weighed:
    attention = attention_of(question)
    flow = recorded(attention)
    last = next(call for call in reversed(flow.calls) if call.keys == flow.explained and call.queries == start(flow))
    weights = to_units(carried(last, flow.readout), attention.tokens, len(question.units))
    return Weighed(weights, f"attention of the last layer ({last.name}), mean over its heads, from {flow.found}")


METHOD = Method(
    name="last attention",
    about="the last layer's attention, from where the answer is read; mean over heads",
    needs=("attention",),
    cost=lambda units: 1,
    signed=False,
    paper="Bahdanau et al. 2014, arXiv 1409.0473; doubted by Jain & Wallace 2019, arXiv 1902.10186",
    weigh=_weigh,
)
