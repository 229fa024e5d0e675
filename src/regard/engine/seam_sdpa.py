"""torch.nn.functional.scaled_dot_product_attention, read as a request."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from regard.engine.seam_mask import MaskReader, Read, check_dtype
from regard.engine.seam_reach import Answer
from regard.spec.errors import MaskError, ShapeError
from regard.spec.positional import Causal
from regard.spec.request import Request, request
from regard.spec.score import ScaledDot
from regard.spec.value import described


def read_sdpa(masks: MaskReader, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request:
    """torch's arguments, in torch's sense: a bool mask is True where a query may attend, floats are added, and
    `is_causal` is aligned top left (query i sees the keys 0 to i). Leading axes before the heads are one batch.

    Raises `ShapeError` and `MaskError` for what torch refuses or reads in a way of its own: then let it say so.
    """
    names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    axes = {given[name].dim() for name in ("query", "key", "value")}
    if len(axes) > 1:  # torch lines them up from the right, so that an axis is now the batch and now the heads
        raise ShapeError(f"query, key and value of {sorted(axes)} axes: expected as many in each")
    query, key, value = _four(given["query"]), _four(given["key"]), _four(given["value"])
    scored = torch.broadcast_shapes(query.shape[:-3], key.shape[:-3])  # type: ignore[no-untyped-call]
    lead: torch.Size = torch.broadcast_shapes(query.shape[:-3], key.shape[:-3], value.shape[:-3])  # type: ignore[no-untyped-call]
    heads = max(query.shape[-3], key.shape[-3])
    query = _batched(query, lead, heads)
    key_heads = max(key.shape[-3], value.shape[-3])
    key, value = _batched(key, lead, key_heads), _batched(value, lead, key_heads)
    shape = (query.shape[0], heads, query.shape[2], key.shape[2])
    mask = given.get("attn_mask")
    if mask is not None:
        _check(mask, given["query"], (*scored, *shape[1:]))
        read = masks.read(_mask(mask, given["query"].dim(), lead, shape), shape)
    else:
        read = Read(Causal(), (), 0) if given.get("is_causal") else Read(None, (), None)
    return request(
        *(query, key, value),
        score=ScaledDot(given.get("scale")),
        mask=read.mask,
        bias=read.biases,
        query_start=read.query_start,
        dropout=float(given.get("dropout_p") or 0.0),
    )


def answer_sdpa(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Answer:
    """The output in the shape that torch gives: with as many axes as the inputs have."""
    given = [args[i] if i < len(args) else kwargs.get(name) for i, name in enumerate(("query", "key", "value"))]
    axes = max(tensor.dim() for tensor in given if isinstance(tensor, Tensor))

    def give(output: Tensor) -> Tensor:
        if axes == 4:
            return output
        if axes < 4:
            return output[:, 0] if axes == 3 else output[0, 0]
        lead: torch.Size = torch.broadcast_shapes(*(tensor.shape[:-3] for tensor in given))  # type: ignore
        return output.reshape(*lead, *output.shape[1:])

    return Answer(give)


def _four(tensor: Tensor) -> Tensor:
    """(..., heads, length, dim): with fewer axes, the heads are one, then the batch."""
    if tensor.is_nested:
        raise ShapeError("a nested tensor: expected (batch, heads, length, dim)")
    if tensor.dim() == 3:
        return tensor[:, None]
    return tensor[None, None] if tensor.dim() == 2 else tensor


def _batched(tensor: Tensor, lead: torch.Size, heads: int) -> Tensor:
    """(batch, heads, length, dim), the batch being all of `lead`."""
    own = heads if tensor.shape[-3] == 1 and lead else tensor.shape[-3]
    return tensor.expand(*lead, own, *tensor.shape[-2:]).reshape(math.prod(lead), own, *tensor.shape[-2:])


def _check(mask: Tensor, query: Tensor, scores: tuple[int, ...]) -> None:
    """Raises `MaskError` for a mask that does not broadcast to the scores, (..., heads, query_len, key_len), without
    making them larger; one of fewer than two axes is refused by some of torch's kernels, and is left to them."""
    if query.dim() < 4:
        scores = (*scores[: query.dim() - 2], *scores[-2:])
    behind = scores[len(scores) - mask.dim() :]
    fits = 2 <= mask.dim() <= len(scores) and all(a in (1, b) for a, b in zip(mask.shape, behind, strict=True))
    if not fits:
        raise MaskError(f"attn_mask is {described(mask)}: expected two axes or more, that broadcast to {scores}")
    check_dtype(mask, query)


def _mask(mask: Tensor, query_dims: int, lead: torch.Size, shape: tuple[int, int, int, int]) -> Tensor:
    """`attn_mask`, which broadcasts to (..., query_len, key_len), with 4 axes."""
    if query_dims == 3 and mask.dim() == 3:
        mask = mask[:, None]
    if mask.dim() > 4:
        return mask.expand(*lead, *shape[1:]).reshape(shape)
    mask = mask[(None,) * (4 - mask.dim())]
    if len(lead) > 1 and mask.shape[0] > 1:
        return mask.expand(*lead, *mask.shape[1:]).reshape(shape[0], *mask.shape[1:])
    return mask
