"""The weights of `torch.nn.MultiheadAttention`, as four plain projections and back.

Nothing here knows regard's own layer: `MultiHeadAttention.from_torch` and `to_torch` hand their projections in.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from regard.spec.errors import SpecError

Projections = tuple[nn.Linear, nn.Linear, nn.Linear, nn.Linear]  # of queries, keys, values, and of the joined heads


def refuse_made_up_keys(module: nn.MultiheadAttention) -> None:
    """Raises `SpecError` for what no projection stands for: `add_bias_kv` and `add_zero_attn`."""
    if module.bias_k is not None or module.add_zero_attn:
        raise SpecError(
            "this torch.nn.MultiheadAttention has add_bias_kv or add_zero_attn, which append a made-up key to every "
            "sequence: from_torch does not carry these over; build the layer with bias=SinkLogits(...) and train it"
        )


def fill(projections: Projections, module: nn.MultiheadAttention) -> None:
    """Copies the module's weights and offsets into projections of its sizes; what it keeps fixed stays fixed."""
    for ours, theirs in zip(_ours(projections), _theirs(module), strict=True):
        _copy(theirs, ours)
        if ours is not None and theirs is not None:
            ours.requires_grad_(theirs.requires_grad)


def module_of(projections: Projections, *, heads: int, dropout: float, batch_first: bool) -> nn.MultiheadAttention:
    """A torch module of the projections' sizes, with a copy of their weights, on their device and in their dtype."""
    query, key, value, output = projections
    with torch.device("meta"):  # no memory, no random numbers drawn: the weights are copied
        made = nn.MultiheadAttention(
            query.in_features,
            heads,
            dropout=dropout,
            bias=query.bias is not None,
            kdim=key.in_features,
            vdim=value.in_features,
            batch_first=batch_first,
        )
    made = made.to_empty(device=output.weight.device).to(output.weight.dtype)
    for ours, theirs in zip(_ours(projections), _theirs(made), strict=True):
        _copy(ours, theirs)
    return made


def _ours(projections: Projections) -> list[Tensor | None]:
    """Weights and offsets, projection by projection."""
    return [part for projection in projections for part in (projection.weight, projection.bias)]


def _theirs(module: nn.MultiheadAttention) -> list[Tensor | None]:
    """The same of torch's module, as views into its joined tensors."""
    if module.in_proj_weight is None:
        weights = [module.q_proj_weight, module.k_proj_weight, module.v_proj_weight]
    else:
        weights = list(module.in_proj_weight.chunk(3))
    offsets = [None] * 3 if module.in_proj_bias is None else list(module.in_proj_bias.chunk(3))
    pairs = zip([*weights, module.out_proj.weight], [*offsets, module.out_proj.bias], strict=True)
    return [part for pair in pairs for part in pair]


def _copy(source: Tensor | None, target: Tensor | None) -> None:
    if source is not None and target is not None:
        with torch.no_grad():
            target.copy_(source)
