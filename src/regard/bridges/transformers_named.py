"""transformers: `attn_implementation="regard"`, an attention function and its mask function under one name.

Registered by one call and by nothing else. The mask function hands out descriptions in place of query x key tensors, as
`regard.use` does, so that windows, documents and padding cost what they are worth; without a mask function of its own
name, the library would give such a model no mask at all, and left padding would be read as text.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from regard.bridges.transformers_calls import NAME, Call, read_call
from regard.bridges.transformers_folder import transformers
from regard.bridges.transformers_masks import described_mask
from regard.engine.seam_exact import Exact
from regard.engine.seam_mask import MaskReader
from regard.spec.errors import SpecError
from regard.spec.request import Request


@dataclass(eq=False)
class _Kept(threading.local):
    """What calls of one thread have in common: masks that callers made, read once, and which descriptions held."""

    masks: MaskReader = field(default_factory=MaskReader)
    exact: Exact = field(default_factory=Exact)
    held: set[str] = field(default_factory=set)
    written: Counter[str] = field(default_factory=Counter)


_KEPT = _Kept()


def register() -> None:
    """Lets models of transformers be loaded with, or set to, `attn_implementation="regard"`. Twice is as good as once.

    Raises:
        MissingExtraError: transformers is not installed.
        SpecError: something else goes by that name already.
    """
    for table, function in _tables():
        if table._global_mapping.get(NAME, function) is not function:
            raise SpecError(
                f"transformers has another {table.__name__} entry {NAME!r} already; remove it, or use regard.use"
            )
    for table, function in _tables():
        table.register(NAME, function)


def unregister() -> None:
    """Takes the name out again. A model that is still set to it is refused by the library at its next call:
    `model.set_attn_implementation("sdpa")` first."""
    for table, function in _tables():
        if table._global_mapping.get(NAME) is function:
            del table._global_mapping[NAME]


def attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **given: Any
) -> tuple[Tensor, Tensor | None]:
    """(batch, query_len, heads, value_dim) of what a model of transformers asks for, through the planner's kernel; and
    the weights (batch, heads, query_len, key_len) where they are asked for (`output_attentions=True`), else None.

    The weights are made in a second pass, without dropout. A query that may attend to nothing gives 0.
    """
    named = {"module": module, "query": query, "key": key, "value": value, "attention_mask": attention_mask, **given}
    if torch.compiler.is_compiling():
        return _compiled(named)
    call = Call(attention, NAME, named)
    request = read_call(_KEPT.masks, call)
    output = _KEPT.exact.run(request).transpose(1, 2).contiguous()
    return output, _weights(request, key) if call.wants_weights else None


def mask(**given: Any) -> Tensor:
    """The mask function that belongs to it: a description, or the library's own bool tensor where there is none."""
    library = transformers().masking_utils
    return described_mask(_KEPT, library.sdpa_mask, given)


def _weights(request: Request, key: Tensor) -> Tensor:
    """(batch, heads, query_len, key_len): attention over values that are the keys' own places."""
    size = request.key.shape[2]
    places = torch.eye(size, dtype=request.value.dtype, device=request.value.device)
    places = places.expand(*request.key.shape[:2], size, size)
    found = _KEPT.exact.run(replace(request, value=places, dropout=0.0))
    return torch.nn.functional.pad(found, (0, key.shape[2] - size))


def _compiled(given: dict[str, Any]) -> tuple[Tensor, Tensor | None]:
    """In code that torch.compile makes, the library's own function through torch's kernel."""
    odd = sorted(name for name in ("softcap", "s_aux", "sinks") if given.get(name) is not None)
    if odd:
        raise SpecError(f"compiled attention with {', '.join(odd)} is not offered: call the model itself")
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    return sdpa_attention_forward(**given)


def _tables() -> list[tuple[Any, Any]]:
    library = transformers()
    return [(library.AttentionInterface, attention), (library.AttentionMaskInterface, mask)]
