"""Weights of `torch.nn.MultiheadAttention` into `regard.nn.MultiHeadAttention` and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from regard.spec.errors import SpecError
from regard.spec.score import ScaledDot

if TYPE_CHECKING:
    from regard.nn.attention import MultiHeadAttention


def from_torch(layer: type[MultiHeadAttention], module: nn.MultiheadAttention) -> MultiHeadAttention:
    """A `layer` that computes what `module` computes; see `MultiHeadAttention.from_torch`."""
    if module.bias_k is not None or module.add_zero_attn:
        raise SpecError(
            "this torch.nn.MultiheadAttention has add_bias_kv or add_zero_attn, which append a made-up key to every "
            "sequence: from_torch does not carry these over; build the layer with bias=SinkLogits(...) and train it"
        )
    with torch.device("meta"):  # no memory, no random numbers drawn: the weights come from `module`
        made = layer(
            module.embed_dim,
            module.num_heads,
            context_dim=module.kdim,
            value_context_dim=module.vdim,
            linear_bias=module.in_proj_bias is not None,
            dropout=module.dropout,
        )
    made = made.to_empty(device=module.out_proj.weight.device).to(module.out_proj.weight.dtype)
    for ours, theirs in zip(_ours(made), _theirs(module), strict=True):
        _copy(theirs, ours)
        if ours is not None and theirs is not None:
            ours.requires_grad_(theirs.requires_grad)
    return made.train(module.training)


def to_torch(layer: MultiHeadAttention, *, batch_first: bool) -> nn.MultiheadAttention:
    """A torch module that computes what `layer` computes; see `MultiHeadAttention.to_torch`."""
    _check(layer)
    weight = layer.output.weight
    with torch.device("meta"):
        made = nn.MultiheadAttention(
            layer.dim,
            layer.heads,
            dropout=layer.dropout,
            bias=layer.query.bias is not None,
            kdim=layer.key.in_features,
            vdim=layer.value.in_features,
            batch_first=batch_first,
        )
    made = made.to_empty(device=weight.device).to(weight.dtype)
    for ours, theirs in zip(_ours(layer), _theirs(made), strict=True):
        _copy(ours, theirs)
    return made.train(layer.training)


def _ours(layer: MultiHeadAttention) -> list[Tensor | None]:
    """Weights and offsets of the query, key, value and output projections."""
    projections = (layer.query, layer.key, layer.value, layer.output)
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


def _check(layer: MultiHeadAttention) -> None:
    """Raise `SpecError` naming the first thing that torch's module has no word for."""
    head_dim = layer.dim / layer.heads
    odd = {
        f"kv_heads={layer.kv_heads} below heads={layer.heads}": layer.kv_heads != layer.heads,
        f"rotary={layer.rotary!r}": layer.rotary is not None,
        f"score={layer.score.value()!r}": layer.score.value() != ScaledDot(),
        "a bias": len(layer.biases) > 0,
        f"heads of other sizes than dim / heads = {head_dim:g}": layer.query.out_features != layer.dim
        or layer.value.out_features != layer.dim,
    }
    for what, present in odd.items():
        if present:
            raise SpecError(
                f"this layer has {what}, which torch.nn.MultiheadAttention cannot do: keep it, or train one without"
            )
