"""torch's scaled dot product attention, where it computes exactly what is asked and never falls to n x n arithmetic."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

from regard.spec.mask import Block
from regard.spec.positional import Causal
from regard.spec.request import Request


def run(request: Request) -> tuple[Tensor, None]:
    """(output, None): torch keeps the lse to itself."""
    query, key, scale, _ = request.score.prepare(request.query, request.key)
    value = request.value
    causal = triangular(request)
    if causal and request.place.key_len > request.place.query_len:  # keys beyond the last query are never seen
        key, value = key[:, :, : query.shape[2]], value[:, :, : query.shape[2]]
    added = None if causal else laid_out(request)
    query, key, value = _one_size(query, key, value)
    output = scaled_dot_product_attention(
        query, key, value, added, is_causal=causal, scale=scale, enable_gqa=request.groups > 1
    )
    output = output[..., : request.value.shape[3]]
    if added is None:
        return output, None
    seen = added if added.dtype == torch.bool else added != -torch.inf
    return output.masked_fill(~seen.any(-1, keepdim=True), 0.0), None


def triangular(request: Request) -> bool:
    """True when torch's own `is_causal` (aligned top left) says what the mask says."""
    return isinstance(request.mask, Causal) and request.place.query_start == 0 and not request.biases


def open_mask(request: Request) -> bool:
    """True when the mask forbids nothing here, so that it can be left out."""
    place = request.place
    if request.mask is None or not (place.query_len and place.key_len):
        return True
    return request.mask.block(place.rows, place.cols, place) is Block.ALL


def laid_out(request: Request) -> Tensor | None:
    """Mask and biases as the one 4-D tensor that torch takes: bool, or floats to be added; None if there is neither."""
    place = request.place
    allowed = None if open_mask(request) or request.mask is None else request.mask.tile(place.rows, place.cols, place)
    if not request.biases:
        return None if allowed is None else _four(allowed)
    added = sum((bias.tile(place.rows, place.cols, place) for bias in request.biases), torch.zeros(()))
    added = added.to(request.query.dtype)
    return _four(added if allowed is None else torch.where(allowed, added, -torch.inf))


def _four(tensor: Tensor) -> Tensor:
    return tensor[(None,) * (4 - tensor.dim())]


def _one_size(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Fill up with zeros until dim = value_dim: torch's linear-memory path wants one size, and zeros change nothing."""
    more = value.shape[3] - query.shape[3]
    if more > 0:
        return pad(query, (0, more)), pad(key, (0, more)), value
    return (query, key, pad(value, (0, -more))) if more else (query, key, value)
