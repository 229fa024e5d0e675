"""A sink logit, put in after the softmax: it only scales the output and raises the lse."""

from __future__ import annotations

import torch
from torch import Tensor

from regard.spec.bias import SinkLogits


def with_sink(output: Tensor, lse: Tensor, sink: SinkLogits | None) -> tuple[Tensor, Tensor]:
    """`output` (batch, heads, n, value_dim) and `lse` (batch, heads, n) as they are with a logit in the softmax's sum.

    sum exp(score) / (exp(sink) + sum exp(score)) = sigmoid(lse - sink). An empty row keeps output 0 and lse -inf.
    """
    if sink is None:
        return output, lse
    logit = sink.per_head.to(lse)[:, None]
    empty = torch.isneginf(lse)
    share = torch.sigmoid(lse.masked_fill(empty, 0.0) - logit).masked_fill(empty, 0.0)
    raised = torch.logaddexp(lse.masked_fill(empty, 0.0), logit).masked_fill(empty, -torch.inf)
    return output * share[..., None], raised
