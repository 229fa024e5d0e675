"""Raw attention, the mean over all layers and heads."""

from __future__ import annotations

import torch
from torch import Tensor

from regard.lens.flow import Call, Flow, recorded
from regard.lens.methods.method import Asking, Method, Weighed, attention_of, counted
from regard.lens.products import Carry, carried
from regard.lens.question import Question
from regard.lens.rollout import start, to_units
from regard.spec.errors import SpecError


def mean_of_layers(flow: Flow, carry: Carry) -> Tensor:
    """(tokens of the explained sequence,): the mean of what each layer carries to it, from where the answer is read;
    in layers whose queries are another sequence, from all of these alike."""
    found = [carry(call, _mass(flow, call)) for call in flow.calls if call.keys == flow.explained]
    if not found:
        raise SpecError("the attention that was seen does not lead from the answer to the input")
    return torch.stack(found).mean(0)


def _mass(flow: Flow, call: Call) -> Tensor:
    if call.queries == start(flow) and call.request.place.query_len == len(flow.readout):
        return flow.readout
    count = call.request.place.query_len
    return torch.full((count,), 1 / count, dtype=torch.float64)


def _weigh(question: Question, asking: Asking) -> Weighed:
    attention = attention_of(question)
    flow = recorded(attention)
    weights = to_units(mean_of_layers(flow, carried), attention.tokens, len(question.units))
    layers = sum(call.keys == flow.explained for call in flow.calls)
    return Weighed(weights, f"attention, mean over {counted(layers)} and their heads, from {flow.found}")


METHOD = Method(
    name="mean attention",
    about="attention from where the answer is read; mean over layers and heads",
    needs=("attention",),
    cost=lambda units: 1,
    signed=False,
    paper="common practice; doubted by Jain & Wallace 2019, arXiv 1902.10186",
    weigh=_weigh,
)
