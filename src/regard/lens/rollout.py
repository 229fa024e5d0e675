"""Attention carried through all layers, from where the answer is read back to the input: one vector, layer by layer.

The rollout of a model is a product of layers; from one place only one row of it is wanted. That row is a vector times
the last layer, times the one before, and so on: no layer's matrix is needed as a whole, and none is made.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from regard.lens.flow import ASKED, READ, SUMMARY, Flow
from regard.lens.products import Carry, carried
from regard.spec.errors import SpecError
from regard.spec.value import described

__all__ = ["Mixing", "rolled", "start", "to_units"]


@dataclass(frozen=True)
class Mixing:
    """What becomes of a vector at a layer: kept * v + moved * (v A).

    (.5, .5) is Abnar & Zuidema's (2020, arXiv 2005.00928, §3): attention and the residual connection around it weigh
    the same. (1, 1) adds what attention brings to what is there, as Chefer et al. (2021, arXiv 2103.15679, eq. 6) do.
    """

    kept: float = 0.5
    moved: float = 0.5

    def __post_init__(self) -> None:
        if self.kept < 0 or self.moved <= 0:
            raise SpecError(f"{described(self)}: expected kept >= 0 and moved > 0")


_HALVES = Mixing()


def rolled(flow: Flow, *, carry: Carry = carried, mixing: Mixing = _HALVES) -> Tensor:
    """(tokens of the explained sequence,) float64: what reaches each token, from where the answer is read.

    carry: v, a layer -> v A; by default the weights' mean over heads. Self-attention mixes a sequence's vector with
    itself; cross-attention takes from the decoder's vector and adds to the encoder's, and the encoder's layers go on
    from there; a pooling's queries are no tokens, and keep nothing. With the default mixing everything is 1 in all,
    less what queries without a key lose.
    """
    held: dict[str, Tensor] = {}
    held[start(flow)] = flow.readout.clone()
    for call in reversed(flow.calls):
        mass = held.get(call.queries)
        if mass is None:
            continue
        if call.queries == call.keys:
            held[call.keys] = mixing.kept * mass + mixing.moved * carry(call, mass)
        elif call.queries == SUMMARY:
            del held[SUMMARY]
            held[call.keys] = _added(held.get(call.keys), carry(call, mass))
        else:
            held[call.keys] = _added(held.get(call.keys), mixing.moved * carry(call, mass))
            held[call.queries] = mixing.kept * mass
    if flow.explained not in held:
        raise SpecError("the attention that was seen does not lead from the answer to the input")
    return held[flow.explained]


def start(flow: Flow) -> str:
    """The sequence that the readout lies on: that of the last queries that are not the encoder's."""
    last = next((call for call in reversed(flow.calls) if call.queries != READ), None)
    return ASKED if last is None else last.queries


def _added(before: Tensor | None, more: Tensor) -> Tensor:
    return more if before is None else before + more


def to_units(weights: Tensor, tokens: Tensor, units: int) -> Tensor:
    """(tokens,) -> (units,) float64: the sum over each unit's tokens; what belongs to no unit is left out."""
    found = torch.zeros(units, dtype=torch.float64)
    real = tokens >= 0
    return found.index_add_(0, tokens[real], weights.double()[real])
