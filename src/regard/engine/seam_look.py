"""What a module looks like from outside: whether it attends, to what, and why its attention cannot be seen."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

_ATTENTION = re.compile(r"attention|attn", re.IGNORECASE)
_BESIDE = re.compile(r"output|norm|mlp|feed|dropout|mask|embed|rotary|bias|intermediate|intermediary", re.IGNORECASE)
_CROSS = re.compile(r"cross|encoder_attn|encdec|multihead_attn", re.IGNORECASE)
_OTHERS = ("key_value_states", "encoder_hidden_states", "context", "memory")  # what is attended to, in cross-attention
_PROJECTIONS = tuple(
    set(names.split())
    for names in ("q k v", "query key value", "q_proj k_proj v_proj", "to_q to_k to_v", "qkv", "c_attn", "q_lin k_lin")
)


def looks_like_attention(module: nn.Module) -> bool:
    """By its class or its class's name, or because it has projections to queries, keys and values."""
    if isinstance(module, nn.MultiheadAttention):
        return True
    name, children = type(module).__name__, set(module._modules)
    if any(wanted <= children for wanted in _PROJECTIONS):
        return True
    return bool(_ATTENTION.search(name)) and not _BESIDE.search(name) and bool(children or module._parameters)


def kind_of(module: nn.Module, path: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """ "cross" where the innermost module was given something else to attend to, or is named so; else "self"."""
    given = dict(kwargs)
    if len(args) > 1:
        given.update(zip(_arguments(type(module).forward), args, strict=False))
    if any(given.get(name) is not None for name in _OTHERS):
        return "cross"
    return "cross" if _CROSS.search(type(module).__name__) or _CROSS.search(path.rpartition(".")[2]) else "self"


@functools.lru_cache(maxsize=256)
def _arguments(forward: Callable[..., Any]) -> tuple[str, ...]:
    """The names of what a class's `forward` takes, after `self`."""
    return tuple(inspect.signature(forward).parameters)[1:]


def why_unseen(module: nn.Module) -> str:
    """Why no call was seen in a module that looks like attention and ran."""
    code = getattr(inspect.unwrap(type(module).forward), "__code__", None)
    if code is not None and "flex_attention" in code.co_names:
        return (
            "attends through flex_attention, whose mask is a function that only its own kernel reads; "
            "use torch.nn.functional.scaled_dot_product_attention there"
        )
    own = "computes its scores itself, in operations that look like any others"
    config = getattr(module, "config", None)
    if getattr(config, "_attn_implementation", None) is not None:
        return f"{own}; model.set_attn_implementation('sdpa') shows it where the model has that"
    return f"{own}; scaled_dot_product_attention, nn.MultiheadAttention and regard.attend can be seen"
