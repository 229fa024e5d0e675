"""Which source tokens each written token looked at: exact, in a second pass over what was decoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from regard.nn.decoding.steps import Output


class Aligning(Protocol):
    """A model that can tell where each of its steps looked."""

    @property
    def begin(self) -> int:
        """The id that every output begins with."""
        ...

    def alignment(self, context: Any, inputs: Tensor, *, layer: int = -1, head: int | None = None) -> Tensor:
        """context as in `start`, inputs (batch, out_len) -> weights (batch, out_len, source_len)."""
        ...


@torch.no_grad()
def alignment(
    model: Aligning, context: object, outputs: Sequence[Output], *, layer: int = -1, head: int | None = None
) -> Tensor:
    """(batch, out_len, source_len): the weight of each source token where each token of `outputs` was written.

    One output a source, such as `[best[0] for best in beam_search(...)]`; rows beyond an output's tokens are 0, and
    each other row sums to 1. The outputs are read once more, all tokens at a time, so that decoding itself pays
    nothing. layer: of a transformer, which decoder block, the last by default. head: which of its heads; the mean over
    heads by default. Raises `SpecError` for those it has not.
    """
    longest = max((len(output.ids) for output in outputs), default=0)
    inputs = torch.full((len(outputs), longest), model.begin)
    lengths = torch.tensor([len(output.ids) for output in outputs], dtype=torch.int64)
    for item, output in enumerate(outputs):
        # the token at place i is written when the one before it is read
        inputs[item, 1 : len(output.ids)] = torch.tensor(output.ids[:-1], dtype=torch.int64)
    weights = model.alignment(context, inputs, layer=layer, head=head)
    written = torch.arange(longest, device=weights.device) < lengths.to(weights.device)[:, None]
    return weights.masked_fill(~written[..., None], 0.0)
