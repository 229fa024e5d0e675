"""torch's FlexAttention: one fused GPU kernel for any mask and bias of the spec, made by torch's compiler.

Dong et al. 2024, arXiv 2412.05496. Not yet measured on a GPU: on a CPU the same functions run uncompiled (and lay the
matrix out), which is what the tests do.

Compiled once for each *class* of calls: device, dtype, heads, sizes of the vectors, the score's curve and scale, and
the structure of mask and biases with their plain numbers (see `flex_mods.structure`). Of lengths and the batch size
only this much counts: one or more, and at most one block or more. The first call of a class is compiled for its own
lengths; the first that differs from it is compiled again with the lengths left open (torch's automatic dynamic shapes),
two or three times until all are, and that serves the rest. The first query's position is never compiled in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import FunctionType
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from regard.kernels import fused
from regard.kernels.flex_mods import Ground, ScoreMod, flat, mask_mod, score_mod, structure
from regard.kernels.sink import with_sink
from regard.spec.request import Request
from regard.spec.score import Prepared

SIDE = 128  # queries and keys of a block: FlexAttention's own default
LEAST = 16  # the smallest vectors that the compiled kernel takes; smaller ones are filled up with zeros
CLASSES = 64  # compiled functions kept; at the next one all are forgotten
COMPILED_ON = ("cuda",)

Call = Callable[..., tuple[Tensor, Tensor]]
_COMPILED: dict[Any, Call] = {}


@dataclass(frozen=True)
class Ready:
    """A call as FlexAttention takes it: all but query, key and value."""

    score_mod: ScoreMod | None
    block_mask: Any  # torch's BlockMask, or None
    scale: float
    kind: Any  # the class of calls that it belongs to


def run(request: Request) -> tuple[Tensor, Tensor]:
    """(output, lse); lse in float32 (float64 for float64). Gradients flow to query, key, value, the score's own tensors
    and a sink, on a GPU alone; not to biases."""
    form = fused.prepared(request)
    ready = made(request, form)
    mod = None if ready.score_mod is None else flat(ready.score_mod)
    reach = replace(ready, score_mod=mod, kind=(ready.kind, "which keys are seen"))
    inputs = form.query, form.key, request.value
    found = fused.guarded(*inputs, lambda q, k, v: attend(q, k, v, ready), lambda q, k, v: attend(q, k, v, reach))
    output, lse = with_sink(*found, request.sink)
    return output.to(request.query.dtype), lse


def made(request: Request, form: Prepared) -> Ready:
    """Mask, biases and curve of a request as mods and blocks."""
    from regard.kernels.flex_blocks import block_mask  # FlexAttention takes a second to import

    ground = Ground.of(request.place)
    blocks = None
    if request.mask is not None:
        blocks = block_mask(request.mask, mask_mod(request.mask, ground), request.place)
    mod = score_mod(form.curve, request.biases, ground)
    return Ready(mod, blocks, form.scale, _kind(request, form))


def attend(query: Tensor, key: Tensor, value: Tensor, ready: Ready) -> tuple[Tensor, Tensor]:
    """(output (batch, heads, query_len, value_dim), lse (batch, heads, query_len)): 0 and -inf in an empty row."""
    size = value.shape[3]
    query, key, value = (pad(t, (0, max(0, LEAST - t.shape[3]))) for t in (query, key, value))
    call = _compiled(ready.kind) if query.device.type in COMPILED_ON else _call
    output, lse = call(query, key, value, ready.score_mod, ready.block_mask, ready.scale)
    return output[..., :size], lse


def _call(
    query: Tensor, key: Tensor, value: Tensor, mod: ScoreMod | None, blocks: Any, scale: float
) -> tuple[Tensor, Tensor]:
    from torch.nn.attention.flex_attention import AuxRequest, flex_attention

    shared = query.shape[1] != key.shape[1]
    output, aux = flex_attention(
        query, key, value, mod, blocks, scale, enable_gqa=shared, return_aux=AuxRequest(lse=True)
    )
    assert aux.lse is not None
    return output, aux.lse


def _compiled(kind: Any) -> Call:
    """The function compiled for this class of calls."""
    found = _COMPILED.get(kind)
    if found is None:
        if len(_COMPILED) >= CLASSES:
            _COMPILED.clear()
        # torch counts recompilations by code object and gives up at the eighth: each class gets one of its own
        name = f"flex_{len(_COMPILED)}"
        own = FunctionType(_call.__code__.replace(co_name=name), _call.__globals__, name)
        found = _COMPILED[kind] = torch.compile(own, fullgraph=True)
    return found


def _kind(request: Request, form: Prepared) -> Any:
    query, key, value = form.query, form.key, request.value
    return (
        *(query.device, query.dtype, query.shape[1], key.shape[1], query.shape[3], key.shape[3], value.shape[3]),
        *(form.scale, form.curve, request.mask is None, request.wants_gradient()),
        *(query.shape[0] == 1, query.shape[2] == 1, key.shape[2] == 1),  # torch compiles a size of 1 in
        *(query.shape[2] <= SIDE, key.shape[2] <= SIDE),  # one block; and few queries have a kernel of their own
        structure(request.mask),
        tuple(structure(bias) for bias in request.biases),
    )
