"""torch's own layers: nn.MultiheadAttention, its functional form, and nn.TransformerEncoderLayer's fast path.

They compute queries and keys inside, out of anyone's sight. Here these are made once more from the same input and
weights, for the request alone: the model gets what its own layer computed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from regard.engine.seam_mask import MaskReader, check_dtype
from regard.engine.seam_reach import Answer, Frame, Reaching
from regard.spec.bias import Bias
from regard.spec.errors import MaskError, SpecError
from regard.spec.mask import Mask
from regard.spec.request import Request, request
from regard.spec.value import described

_FUNCTION = inspect.signature(F.multi_head_attention_forward)
_MODULE = inspect.signature(nn.MultiheadAttention.forward)
_LAYER = inspect.signature(nn.TransformerEncoderLayer.forward)


@dataclass(frozen=True, eq=False)
class _Weights:
    """What projects: `packed` holds the three, one under the other, or `parts` does; `extra` are keys and values
    (1, 1, dim) that stand behind the sequence, and `zero` asks for one more of zeros."""

    heads: int
    packed: Tensor | None
    parts: tuple[Tensor | None, Tensor | None, Tensor | None]
    offset: Tensor | None
    extra: tuple[Tensor | None, Tensor | None]
    zero: bool
    dropout: float

    @classmethod
    def of(cls, module: nn.MultiheadAttention) -> _Weights:
        return cls(
            module.num_heads,
            module.in_proj_weight,
            (module.q_proj_weight, module.k_proj_weight, module.v_proj_weight),
            module.in_proj_bias,
            (module.bias_k, module.bias_v),
            module.add_zero_attn,
            module.dropout if module.training else 0.0,
        )

    def project(self, *sequences: Tensor) -> list[Tensor]:
        """Query, key, value (batch, length, size) -> (batch, heads, length, dim) each."""
        made = self.parts if self.packed is None else self.packed.chunk(3)
        offsets = (None, None, None) if self.offset is None else self.offset.chunk(3)
        found: list[Tensor] = []
        for place, (sequence, weight, offset) in enumerate(zip(sequences, made, offsets, strict=True)):
            assert weight is not None
            part = F.linear(sequence, weight, offset)
            behind = self.extra[place - 1] if place else None
            if behind is not None:
                part = torch.cat((part, behind.expand(len(part), 1, -1)), 1)
            if place and self.zero:
                part = F.pad(part, (0, 0, 0, 1))
            found.append(part.reshape(*part.shape[:2], self.heads, -1).transpose(1, 2))
        return found


def run_multihead(reaching: Reaching, frame: Frame, inner: Callable[..., Any]) -> Any:
    """A call of an nn.MultiheadAttention: batch first or not, batched or not, nested on its fast path."""
    module = frame.module
    given = _MODULE.bind(module, *frame.args, **frame.kwargs).arguments

    def read() -> Request:
        assert isinstance(module, nn.MultiheadAttention)
        turned = given["query"].dim() == 3 and not module.batch_first
        inputs = tuple(given[name].transpose(0, 1) if turned else given[name] for name in ("query", "key", "value"))
        return _request(reaching, _Weights.of(module), inputs, given)

    def give(output: Tensor) -> tuple[Tensor, None]:
        assert isinstance(module, nn.MultiheadAttention)
        made = _projected(output, module.out_proj.weight, module.out_proj.bias)
        if given["query"].dim() == 2:
            return made[0], None
        return made if module.batch_first else made.transpose(0, 1), None

    query, key = given["query"], given["key"]
    answer = Answer(give, kept=_kept(query, given.get("need_weights", True)))
    # what is attended to comes as key and value; queries of their own with keys of their own may be one sequence
    kind = "self" if query is key else "cross" if key is given["value"] or query.shape != key.shape else None
    return reaching.offer(read, lambda: inner(*frame.args, **frame.kwargs), answer, kind=kind)


def read_function(reaching: Reaching, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request:
    """A call of F.multi_head_attention_forward, whose sequences come (length, batch, dim) or (length, dim)."""
    bound = _FUNCTION.bind(*args, **kwargs)
    bound.apply_defaults()
    given = bound.arguments
    if given["static_k"] is not None or given["static_v"] is not None:
        raise SpecError("static_k or static_v was given: expected keys and values that the layer projects itself")
    if given["is_causal"] and given["attn_mask"] is None:
        raise MaskError("is_causal was given without attn_mask: torch's function expects both")
    weights = _Weights(
        given["num_heads"],
        None if given["use_separate_proj_weight"] else given["in_proj_weight"],
        (given["q_proj_weight"], given["k_proj_weight"], given["v_proj_weight"]),
        given["in_proj_bias"],
        (given["bias_k"], given["bias_v"]),
        given["add_zero_attn"],
        given["dropout_p"] if given["training"] else 0.0,
    )
    names = ("query", "key", "value")
    inputs = tuple(given[name].transpose(0, 1) if given[name].dim() == 3 else given[name] for name in names)
    return _request(reaching, weights, inputs, given)


def answer_function(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Answer:
    """What F.multi_head_attention_forward gives: the output, projected, and None for the weights."""
    bound = _FUNCTION.bind(*args, **kwargs)
    bound.apply_defaults()
    given = bound.arguments

    def give(output: Tensor) -> tuple[Tensor, None]:
        made = _projected(output, given["out_proj_weight"], given["out_proj_bias"])
        return made[0] if given["query"].dim() == 2 else made.transpose(0, 1), None

    return Answer(give, kept=_kept(given["query"], given["need_weights"]))


def _projected(output: Tensor, weight: Tensor, offset: Tensor | None) -> Tensor:
    """(batch, heads, length, dim) -> (batch, length, size)."""
    return F.linear(output.transpose(1, 2).flatten(2), weight, offset)


def _kept(query: Tensor, weights_wanted: bool) -> str | None:
    if weights_wanted:
        return "its caller asks for the weights too (need_weights=True), a query x key array; pass need_weights=False"
    return "its sequences are a nested tensor; pass a padded one and key_padding_mask" if query.is_nested else None


def run_layer(reaching: Reaching, frame: Frame, inner: Callable[..., Any]) -> Any:
    """An nn.TransformerEncoderLayer. On its slow path it calls its `self_attn`, which is seen there. On its fast path
    it does not: one kernel computes the whole layer, and the attention is read from the layer's input."""
    out = inner(*frame.args, **frame.kwargs)
    if frame.calls or frame.told:
        return out
    module = frame.module
    assert isinstance(module, nn.TransformerEncoderLayer)
    given = _LAYER.bind(module, *frame.args, **frame.kwargs).arguments

    def read() -> Request:
        source, padding = _padded(reaching, given["src"])
        padding = given.get("src_key_padding_mask") if padding is None else padding
        read_from = module.norm1(source) if module.norm_first else source
        masks = {"attn_mask": given.get("src_mask"), "key_padding_mask": padding}
        return _request(reaching, _Weights.of(module.self_attn), (read_from,) * 3, masks)

    name = reaching.names.get(id(module.self_attn), f"{frame.path}.self_attn")
    answer = Answer(
        lambda output: out, kept="one kernel computed the whole layer before its attention could be reached"
    )
    return reaching.offer(read, lambda: out, answer, name=name, kind="self")


def _request(reaching: Reaching, weights: _Weights, inputs: tuple[Tensor, ...], given: dict[str, Any]) -> Request:
    """`inputs`: query, key, value (batch, length, size), or nested, or (length, size)."""
    padding = given.get("key_padding_mask")
    if inputs[0].is_nested:
        source, padding = _padded(reaching, inputs[0])
        inputs = (source,) * 3
    if inputs[0].dim() == 2:
        inputs = tuple(each[None] for each in inputs)
        padding = None if padding is None else padding[None]
    sizes = (len(inputs[0]), weights.heads, inputs[0].shape[1], inputs[1].shape[1])
    _check(given.get("attn_mask"), padding, sizes)
    query, key, value = weights.project(*inputs)  # with gradients, for who trains what is seen
    shape = (query.shape[0], query.shape[1], query.shape[2], key.shape[2])
    for each in (given.get("attn_mask"), padding):
        if each is not None:
            check_dtype(each, query)
    mask, biases, start = _masks(reaching.masks, given.get("attn_mask"), padding, shape)
    return request(query, key, value, mask=mask, bias=biases, query_start=start, dropout=weights.dropout)


def _check(attention: Tensor | None, padding: Tensor | None, sizes: tuple[int, int, int, int]) -> None:
    """Raises `MaskError` for masks whose shapes torch refuses: these layers broadcast nothing. `sizes`: batch, heads,
    query_len, and key_len as given, without the keys that the layer adds."""
    batch, heads, query_len, key_len = sizes
    whole = (batch * heads, query_len, key_len)
    if attention is not None and attention.shape not in (whole, whole[1:]):
        raise MaskError(f"attn_mask is {described(attention)}: expected {whole[1:]} or {whole}")
    if padding is not None and padding.shape != (batch, key_len):
        raise MaskError(f"key_padding_mask is {described(padding)}: expected {(batch, key_len)}")


def _masks(
    masks: MaskReader, attention: Tensor | None, padding: Tensor | None, shape: tuple[int, int, int, int]
) -> tuple[Mask | None, tuple[Bias, ...], int | None]:
    """torch's two masks as one, and what is added. Here True means *ignore*. Keys that the layer puts behind the
    sequence itself are always seen."""
    mask: Mask | None = None
    biases: tuple[Bias, ...] = ()
    start: int | None = None
    if attention is not None:
        laid = attention if attention.dim() == 2 else attention.reshape(shape[0], shape[1], *attention.shape[-2:])
        read = masks.read(_allowing(laid[(None,) * (4 - laid.dim())], shape[3]), shape)
        mask, biases, start = read
    if padding is not None:
        read = masks.read(_allowing(padding[:, None, None], shape[3]), shape)
        mask = read.mask if mask is None or read.mask is None else mask & read.mask
        biases = (*biases, *read.biases)
    return mask, biases, start


def _allowing(ignored: Tensor, key_len: int) -> Tensor:
    """torch's True = ignore turned round; floats stay floats, to be added."""
    missing = key_len - ignored.shape[3]
    if ignored.is_floating_point():
        return F.pad(ignored, (0, missing))
    return F.pad(~ignored, (0, missing), value=True)


def _padded(reaching: Reaching, source: Tensor) -> tuple[Tensor, Tensor | None]:
    """A nested sequence as (batch, length, size), with a mask that is True for what fills it up; else as it is."""
    if not source.is_nested:
        return source, None
    lengths = torch.tensor([len(each) for each in source.unbind()], device=source.device)
    longest = max([int(lengths.max()), *(_length_given(frame) for frame in reaching.outer)])
    laid = source.to_padded_tensor(0.0, (len(lengths), longest, source.size(2)))
    return laid, torch.arange(longest, device=source.device) >= lengths[:, None]


def _length_given(frame: Frame) -> int:
    """The length of the sequence that an nn.TransformerEncoder was given, before it took the padding out."""
    if not isinstance(frame.module, nn.TransformerEncoder):
        return 0
    source: Tensor = frame.args[0] if frame.args else frame.kwargs["src"]
    return 0 if source.is_nested else source.shape[1]
