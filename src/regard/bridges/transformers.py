"""transformers: the attention function that a model asks for by name is handed out with a look over its shoulder.

Every model on the library's attention interface asks `AttentionInterface.get_interface(name, default)` for its function
at each call. While a model is being reached, that method gives the same function, wrapped. The name in the model's
configuration stays, and with it the mask function that belongs to it and every special case a model makes of it.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from regard.bridges.transformers_calls import Call, read_call
from regard.bridges.transformers_lookup import LookUp
from regard.bridges.transformers_masks import answering as answering_masks
from regard.engine.seam_check import accounts_for, accounts_for_rows, some_rows
from regard.engine.seam_forward import VISITOR
from regard.engine.seam_reach import Answer, Reaching
from regard.spec.request import Request


@contextmanager
def opened() -> Iterator[None]:
    """Models of this context, if it is reaching one, get wrapped attention functions, and, if it is to be answered,
    described masks; all others get theirs as ever."""
    functions = getattr(sys.modules.get("transformers.modeling_utils"), "AttentionInterface", None)
    masks = getattr(sys.modules.get("transformers.masking_utils"), "AttentionMaskInterface", None)
    generation = getattr(sys.modules.get("transformers.generation.utils"), "GenerationMixin", None)
    with _FUNCTIONS.opened(functions), _MASKS.opened(masks), _COMPILING.opened(generation):
        yield


def _answering(own: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(own)
    def get_interface(self: Any, attn_implementation: Any, default: Any) -> Any:
        function = own(self, attn_implementation, default)
        reaching = VISITOR.get()
        if not isinstance(reaching, Reaching) or reaching.inside is None:
            return function
        return _watched(reaching, function, attn_implementation or "eager")

    return get_interface


def _not_compiling(own: Callable[..., Any]) -> Callable[..., Any]:
    """`generate` compiles a model by itself where it has a cache of fixed size on a GPU: not one that is reached."""

    @functools.wraps(own)
    def compiles(self: Any, *args: Any, **kwargs: Any) -> Any:
        reaching = VISITOR.get()
        if isinstance(reaching, Reaching) and id(getattr(self, "config", None)) in reaching.configs:
            return False
        return own(self, *args, **kwargs)

    return compiles


_FUNCTIONS = LookUp("get_interface", _answering)
_MASKS = LookUp("__getitem__", answering_masks)
_COMPILING = LookUp("_valid_auto_compile_criteria", _not_compiling)


def _watched(reaching: Reaching, function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """`function`, offered to whoever reaches the model; made once, for a model asks at each call."""
    made: Callable[..., Any] | None = reaching.wrapped.get((function, name))
    if made is not None:
        return made

    def attention(*args: Any, **kwargs: Any) -> Any:
        if reaching.inside is None:
            return function(*args, **kwargs)
        call = Call(function, name, _named(function, args, kwargs))
        answer = Answer(_given, _kept(call), lambda request: _tried(call, request))
        return reaching.offer(
            lambda: read_call(reaching.masks, call), lambda: function(*args, **kwargs), answer, explains=_explains
        )

    reaching.wrapped[function, name] = functools.update_wrapper(attention, function)
    return attention


def _named(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """What the function is given, by the names of its arguments."""
    if len(args) == len(_FIRST) and _first(function) == _FIRST:  # as every model of the library calls it
        return {**dict(zip(_FIRST, args, strict=True)), **kwargs}
    given = _signature(function).bind(*args, **kwargs).arguments
    return {**given, **given.pop("kwargs", {})}


def _explains(request: Request, out: Any) -> str | None:
    """`out` is what an attention function gives: (batch, query_len, heads, value_dim), and weights or None."""
    return accounts_for(request, out[0].transpose(1, 2))


def _given(output: Tensor) -> tuple[Tensor, None]:
    return output.transpose(1, 2).contiguous(), None


def _kept(call: Call) -> str | None:
    """The library's function through torch's kernel gives no weights either way; the others do where they are asked."""
    if call.is_sdpa:
        return None
    if call.wants_weights:
        return "its caller asks for the weights too (output_attentions=True), a query x key array"
    return None


def _tried(call: Call, request: Request) -> str | None:
    """Every model brings an eager function of its own, and anyone may register one: each is asked for a few queries."""
    if call.is_known or not request.place.query_len:
        return None
    rows = some_rows(request)
    try:
        with torch.no_grad():
            out = call.function(**call.for_queries(rows))[0].transpose(1, 2)
    except Exception as error:  # it may be anyone's; the model's own call goes on
        return f"its attention function ({call.function.__name__}) could not be tried on a few queries: {error}"
    return accounts_for_rows(request, out, rows)


_FIRST = ("module", "query", "key", "value", "attention_mask")


@functools.lru_cache(maxsize=64)
def _first(function: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(_signature(function).parameters)[: len(_FIRST)]


@functools.lru_cache(maxsize=64)
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(function)
