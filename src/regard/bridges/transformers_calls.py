"""A call of one of transformers' attention functions, read as a request."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from regard.engine.seam_described import DescribedMask, rows_of
from regard.engine.seam_mask import MaskReader, Read
from regard.spec.bias import Bias, SinkLogits, TensorBias
from regard.spec.errors import SpecError
from regard.spec.mask import Mask
from regard.spec.membership import Dense
from regard.spec.positional import Causal, Window
from regard.spec.request import Request, request
from regard.spec.score import ScaledDot

NAME = "regard"  # of our own function, where a model asks for it (see `transformers_named`)
_SINKS = ("s_aux", "sinks")
_BY_QUERY = ("query", "attention_mask", "position_bias")  # arguments whose third axis is the queries


@dataclass(frozen=True, eq=False)
class Call:
    """An attention function, the name it was asked for by, and what it was given, by the names of its arguments."""

    function: Callable[..., Any]
    name: str
    given: dict[str, Any]

    @property
    def is_sdpa(self) -> bool:
        """Through torch's scaled_dot_product_attention, whichever name it goes by."""
        return self.function.__name__ == "sdpa_attention_forward"

    @property
    def is_flash(self) -> bool:
        """A kernel that is told padding and window apart, not a whole mask."""
        return "flash" in self.name or "flash" in self.function.__name__

    @property
    def is_known(self) -> bool:
        """The library's own function through torch's kernel, which computes what its arguments say and no more."""
        return self.is_named or self.function.__module__ == "transformers.integrations.sdpa_attention"

    @property
    def is_named(self) -> bool:
        """Ours, asked for by its name."""
        return self.function.__module__ == "regard.bridges.transformers_named"

    @property
    def wants_weights(self) -> bool:
        """Whether the model's caller asks for the weights too."""
        capturing = getattr(sys.modules.get("transformers.utils.output_capturing"), "_active_collector", None)
        collected = capturing.get() if capturing is not None else None
        return bool(self.given.get("output_attentions") or any("attentions" in key for key in collected or ()))

    @property
    def guesses(self) -> bool:
        """Without a mask it goes by whether the module is causal, as torch's own kernel is then asked to be."""
        return (self.is_sdpa or self.is_named) and self.given.get("attention_mask") is None

    def for_queries(self, rows: list[int]) -> dict[str, Any]:
        """The arguments for these queries alone, without dropout."""
        given = self.given
        return {**given, **{name: _rows(given.get(name), rows) for name in _BY_QUERY if name in given}, "dropout": 0.0}

    @property
    def causal(self) -> bool:
        told = self.given.get("is_causal")
        return bool(getattr(self.given["module"], "is_causal", True) if told is None else told)


def _rows(given: Any, rows: list[int]) -> Any:
    if isinstance(given, DescribedMask):
        return rows_of(given, rows)
    return given[:, :, rows] if isinstance(given, Tensor) and given.dim() == 4 and given.shape[2] > 1 else given


def read_call(masks: MaskReader, call: Call) -> Request:
    """What the function does with its arguments, as a request. Raises `SpecError` for a paged cache."""
    given = call.given
    query, key, value = given["query"], given["key"], given["value"]
    if given.get("cache") is not None:
        raise SpecError("its keys lie in a paged cache: expected a cache that hands keys and values over")
    if query.shape[0] < key.shape[0]:  # learned queries, the same for every item
        query = query.expand(key.shape[0], *query.shape[1:])
    read = _mask(masks, call, query, key)
    if call.guesses and read.mask is not None:  # a cache with room to spare
        key, value = key[:, :, : query.shape[2]], value[:, :, : query.shape[2]]
    return request(
        *(query, key, value),
        score=ScaledDot(given.get("scaling"), given.get("softcap")),
        mask=read.mask,
        bias=(*read.biases, *_biases(call, key.shape[2])),
        query_start=read.query_start,
        dropout=float(given.get("dropout") or 0.0),
    )


def _biases(call: Call, key_len: int) -> tuple[Bias, ...]:
    """What is added to the scores, and the logit a head may look at instead of a key."""
    position = call.given.get("position_bias")
    found: tuple[Bias, ...] = () if position is None else (TensorBias(position[..., :key_len]),)
    sinks = next((call.given[name] for name in _SINKS if isinstance(call.given.get(name), Tensor)), None)
    return found if sinks is None or call.is_sdpa else (*found, SinkLogits(sinks.reshape(-1)))


def _mask(masks: MaskReader, call: Call, query: Tensor, key: Tensor) -> Read:
    given, shape = call.given.get("attention_mask"), (*query.shape[:3], key.shape[2])
    if call.is_flash:
        return _flash_mask(call, given, shape)
    if given is None:
        causal = call.guesses and shape[2] > 1 and call.causal
        return Read(Causal(), (), 0) if causal else Read(None, (), None)  # torch's own causal is aligned top left
    if not isinstance(given, Tensor):
        given = _written_out(given, shape)
    if given.dim() != 4:
        raise SpecError(f"its mask is {tuple(given.shape)}: expected (batch, heads or 1, query_len, key_len)")
    return masks.read(given[..., : shape[3]], shape)


def _flash_mask(call: Call, real: Any, shape: tuple[int, ...]) -> Read:
    """`real` (batch, keys): True for keys that are no padding, or None. The last query sits on the last key."""
    window = call.given.get("sliding_window")
    mask: Mask | None = Causal() if call.causal else None
    if window is not None:
        mask = Window(window - 1, 0 if call.causal else window - 1)
    if isinstance(real, Tensor):
        padding = Dense(real[:, -shape[3] :].bool()[:, None, None])
        mask = padding if mask is None else mask & padding
    return Read(mask, (), None)


def _written_out(given: Any, shape: tuple[int, ...]) -> Tensor:
    """flex attention's block mask as a bool tensor."""
    if not hasattr(given, "mask_mod"):
        raise SpecError(f"its mask is a {type(given).__name__}: expected a tensor or a BlockMask")
    from torch.nn.attention.flex_attention import create_mask

    batch, heads = given.shape[:2]
    made: Tensor = create_mask(given.mask_mod, batch, heads, shape[2], shape[3], device=str(given.kv_indices.device))
    return made.to(torch.bool)
