"""ONNX's operator Attention (opsets 23 to 25) as a call of `attend`: its attributes and inputs, and its four outputs.

What the operator says and how it is asked for here: `scale` and `softcap` are `ScaledDot`'s; `is_causal` is `Causal`
from the position that the past ends at (not from the last key, as by default here); windows are `Window`; a bool mask
is a mask, a float mask a bias, in which -inf forbids; either may be shorter than the keys, of which the rest then is
forbidden. A query that may attend to nothing gives 0 in both. With `nonpad_kv_seqlen` each item of a batch has
positions of its own, so that the items are asked for one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from regard.engine.attend import attend
from regard.kernels import reference
from regard.spec.errors import ShapeError, SpecError
from regard.spec.mask import Mask
from regard.spec.membership import Dense
from regard.spec.padding import Padding
from regard.spec.positional import Causal, Window
from regard.spec.request import request
from regard.spec.score import ScaledDot

_DOUBLE = 11  # ONNX's number of the type
_ENDLESS = 1 << 30  # keys: a side of a window that has no end
_SCORES, _CAPPED, _BIASED, _WEIGHTS = range(4)


@dataclass(frozen=True)
class Attributes:
    """The operator's attributes, by their names there. Raises `SpecError` for values that it does not know."""

    is_causal: int = 0
    q_num_heads: int | None = None
    kv_num_heads: int | None = None
    qk_matmul_output_mode: int = 0
    scale: float | None = None
    softcap: float = 0.0
    softmax_precision: int | None = None
    left_window_size: int = -1
    right_window_size: int = -1

    def __post_init__(self) -> None:
        if self.qk_matmul_output_mode not in (_SCORES, _CAPPED, _BIASED, _WEIGHTS):
            raise SpecError(f"Attention(qk_matmul_output_mode={self.qk_matmul_output_mode}): expected 0 to 3")
        if self.softcap < 0 or min(self.left_window_size, self.right_window_size) < -1:
            raise SpecError(f"Attention: {self}: expected a softcap of 0 or more, and windows of -1 or more")

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Attributes:
        """Attributes of a node. Raises `SpecError` for one that the operator has not."""
        unknown = sorted(set(given) - set(cls.__dataclass_fields__))
        if unknown:
            raise SpecError(f"the operator Attention has no {', '.join(unknown)}")
        return cls(**given)


@dataclass(frozen=True, eq=False)
class Attended:
    """The operator's outputs. scores: what `qk_matmul_output_mode` asks for, (batch, heads, query_len, key_len)."""

    output: Tensor
    key: Tensor  # (batch, kv_heads, past + key_len, size)
    value: Tensor
    scores: Tensor | None


@dataclass(frozen=True, eq=False)
class Inputs:
    """Queries, keys and values of four dimensions, the past before them; the mask, and each item's real keys."""

    query: Tensor
    key: Tensor
    value: Tensor
    mask: Tensor | None
    past: int
    counts: Tensor | None


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    past: tuple[Tensor, Tensor] | None = None,
    counts: Tensor | None = None,
    *,
    attributes: Attributes = Attributes(),
    scores: bool = False,
) -> Attended:
    """What the operator gives. query, key, value: (batch, heads, len, size), or (batch, len, heads * size), where the
    attributes tell the heads, and the output is shaped so too. past: keys and values before them. counts: its
    `nonpad_kv_seqlen`. `scores` asks for its fourth output, which takes the whole matrix.

    Raises `ShapeError` and `SpecError` for what does not fit.
    """
    flat, dtype = query.dim() == 3, query.dtype
    given = _inputs(query, key, value, mask, past, counts, attributes)
    if attributes.softmax_precision == _DOUBLE:
        query, key, value = (each.double() for each in (given.query, given.key, given.value))
        working = replace(given, query=query, key=key, value=value)
    else:
        working = given
    items = [working] if counts is None else [_item(working, place) for place in range(len(query))]
    output = torch.cat([attend(one.query, one.key, one.value, **_asked(one, attributes)) for one in items])
    found = torch.cat([_scores(one, attributes) for one in items]).to(dtype) if scores else None
    output = output.to(dtype)
    return Attended(output.transpose(1, 2).flatten(2) if flat else output, given.key, given.value, found)


def _inputs(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    past: tuple[Tensor, Tensor] | None,
    counts: Tensor | None,
    attributes: Attributes,
) -> Inputs:
    if past is not None and counts is not None:
        raise SpecError("Attention: past keys and nonpad_kv_seqlen exclude each other; give one of them")
    if query.dim() == 3:
        asking, held = attributes.q_num_heads, attributes.kv_num_heads
        if asking is None or held is None:
            raise SpecError("Attention: inputs of 3 dimensions need q_num_heads and kv_num_heads")
        query, key, value = _parted(query, asking), _parted(key, held), _parted(value, held)
    elif query.dim() != 4 or attributes.q_num_heads is not None or attributes.kv_num_heads is not None:
        raise ShapeError("Attention: expected inputs of 4 dimensions, or of 3 with q_num_heads and kv_num_heads")
    before = 0 if past is None else past[0].shape[2]
    if past is not None:
        key, value = torch.cat((past[0], key), 2), torch.cat((past[1], value), 2)
    return Inputs(query, key, value, _laid(mask, query.shape[2], key.shape[2]), before, counts)


def _parted(flat: Tensor, heads: int) -> Tensor:
    """(batch, len, heads * size) -> (batch, heads, len, size)."""
    return flat.reshape(*flat.shape[:2], heads, -1).transpose(1, 2)


def _laid(mask: Tensor | None, rows: int, cols: int) -> Tensor | None:
    """The mask with four dimensions, one column a key: those that it leaves out are forbidden."""
    if mask is None:
        return None
    mask = mask[(None,) * (4 - mask.dim())]
    if mask.shape[-1] == 1 < cols:
        mask = mask.expand(*mask.shape[:-1], cols)
    lacking = cols - mask.shape[-1]
    if lacking < 0 or mask.shape[-2] not in (1, rows):
        raise ShapeError(f"Attention: a mask {tuple(mask.shape)} for {rows} queries and {cols} keys")
    return pad(mask, (0, lacking), value=False if mask.dtype == torch.bool else -torch.inf)


def _item(given: Inputs, place: int) -> Inputs:
    """One item of a batch; its queries are the last of its own real keys."""
    one = slice(place, place + 1)
    assert given.counts is not None
    mask = given.mask if given.mask is None or given.mask.shape[0] == 1 else given.mask[one]
    counts = given.counts[one].to(torch.int64)
    start = int(counts[0]) - given.query.shape[2]
    return Inputs(given.query[one], given.key[one], given.value[one], mask, start, counts)


def _asked(given: Inputs, attributes: Attributes) -> dict[str, Any]:
    """`attend`'s arguments."""
    return {
        "score": ScaledDot(attributes.scale, attributes.softcap or None),
        "mask": _masks(given, attributes),
        "bias": given.mask if given.mask is not None and given.mask.dtype != torch.bool else None,
        "query_start": given.past,
    }


def _masks(given: Inputs, attributes: Attributes) -> Mask | None:
    parts: list[Mask] = [Causal()] if attributes.is_causal else []
    left, right = attributes.left_window_size, attributes.right_window_size
    if max(left, right) >= 0:
        parts.append(Window(left if left >= 0 else _ENDLESS, right if right >= 0 else _ENDLESS))
    if given.mask is not None and given.mask.dtype == torch.bool:
        parts.append(Dense(given.mask))
    if given.counts is not None:
        parts.append(Padding(given.counts))
    joined: Mask | None = None
    for part in parts:
        joined = part if joined is None else joined & part
    return joined


def _scores(given: Inputs, attributes: Attributes) -> Tensor:
    """(batch, heads, query_len, key_len): what the fourth output holds, from the reference."""
    mode = attributes.qk_matmul_output_mode
    asked = _asked(given, attributes)
    if mode == _SCORES:
        asked["score"] = ScaledDot(attributes.scale)
    steps = reference.steps(request(given.query, given.key, given.value, **asked))
    if mode in (_SCORES, _CAPPED):
        return torch.from_numpy(steps.scores)
    if mode == _WEIGHTS:
        return torch.from_numpy(steps.weights)
    return torch.from_numpy(steps.biased).masked_fill(~torch.from_numpy(steps.allowed), -torch.inf)
