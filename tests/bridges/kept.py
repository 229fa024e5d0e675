"""A model read call by call with a cache that is cut back, and the slow truth of what that must give: the same model in
one pass, without a cache, each head of each layer under a mask of the keys that were held when its queries came."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import transformers as hf
from tests.bridges import tiny
from torch import Tensor
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask
from transformers.modeling_utils import AttentionInterface

import regard
from regard.allocate import Eviction, Used
from regard.bridges.transformers_cache import EvictedLayer

LENGTH = 30
CLOSE = {"rtol": 1e-4, "atol": 1e-5}
SMALL: Any = {"first": 1, "latest": 0.3, "step": 2}


@dataclass(eq=False)
class Streamed:
    """logits (batch, tokens, vocabulary). held: layer -> (batch, kv_heads, tokens, tokens), where query i found key j
    among those held before its call. cache: as it was left."""

    logits: Tensor
    held: dict[int, Tensor]
    cache: hf.DynamicCache
    used: Used
    sizes: list[dict[int, list[int]]] = field(default_factory=list)  # after each call
    waiting: list[set[int]] = field(default_factory=list)  # queries not accounted for, of all layers, after each call


def places(layer: EvictedLayer, tokens: int) -> Tensor:
    """(batch, kv_heads, tokens) bool: which are held."""
    batch = layer.held.batch
    found = torch.zeros(batch, len(layer.held.sizes), tokens, dtype=torch.bool)
    for part in layer.held.parts:
        for slot, head in enumerate(part.heads):
            found[:, head].scatter_(1, part.positions[:, slot, : part.count].long(), True)
    return found


def streamed(
    model: Any, tokens: Tensor, eviction: Eviction | None, calls: list[int], real: Tensor | None = None
) -> Streamed:
    """`calls`: how many tokens each call reads; they add up to all."""
    batch, length = tokens.shape
    cache, held, start = hf.DynamicCache(config=model.config), {}, 0
    logits, sizes, waiting = [], [], []
    with torch.no_grad(), regard.use(model, eviction=eviction) as used:
        for count in calls:
            for index, layer in enumerate(cache.layers):
                if isinstance(layer, EvictedLayer):
                    rows = held.setdefault(index, torch.zeros(batch, len(layer.held.sizes), length, length).bool())
                    rows[:, :, start : start + count] = places(layer, length)[:, :, None]
            stop = start + count
            mask = None if real is None else real[:, :stop].long()
            positions = None if real is None else (mask.cumsum(1) - 1).clamp(min=0)[:, start:stop]
            more = {"attention_mask": mask, "position_ids": positions, "past_key_values": cache, "use_cache": True}
            logits.append(model(tokens[:, start:stop], **more).logits)
            sizes.append(
                {i: layer.held.sizes for i, layer in enumerate(cache.layers) if isinstance(layer, EvictedLayer)}
            )
            waiting.append({layer.held.waiting for layer in cache.layers if isinstance(layer, EvictedLayer)})
            for rows in held.values():  # among the keys of its own call a query sees those before it
                rows[:, :, start:stop, start:stop] = True
            if start == 0 and eviction is not None:
                for index, found in sizes[0].items():
                    rows = held.setdefault(index, torch.zeros(batch, len(found), length, length).bool())
                    rows[:, :, :stop, :stop] = True
            start = stop
    assert start == length
    return Streamed(torch.cat(logits, 1), held, cache, used, sizes, waiting)


@torch.no_grad()
def truth(
    model: Any,
    tokens: Tensor,
    held: dict[int, Tensor],
    real: Tensor | None = None,
    weights: dict[int, Tensor] | None = None,
) -> Tensor:
    """The logits, by one pass in which head by head everything is laid out in float64; `weights` is filled with each
    layer's (batch, heads, tokens, tokens)."""

    def attention(module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Any, **given: Any) -> Any:
        groups, length = query.shape[1] // key.shape[1], query.shape[2]
        allowed = torch.ones(length, length, dtype=torch.bool).tril()
        if attention_mask is not None:
            allowed = allowed & attention_mask
        if module.layer_idx in held:
            allowed = allowed & held[module.layer_idx].repeat_interleave(groups, 1)
        key, value = (each.double().repeat_interleave(groups, 1) for each in (key, value))
        scores = query.double() @ key.mT * given["scaling"]
        if given.get("softcap"):
            scores = given["softcap"] * (scores / given["softcap"]).tanh()
        each = scores.masked_fill(~allowed, -torch.inf).exp()
        total = each.sum(-1, keepdim=True)
        if given.get("s_aux") is not None:
            total = total + given["s_aux"].double().exp()[:, None, None]
        each = each / total.clamp_min(1e-300)
        if weights is not None:
            weights[module.layer_idx] = each
        return (each @ value).to(query.dtype).transpose(1, 2).contiguous(), None

    before = model.config._attn_implementation
    positions = None if real is None else (real.long().cumsum(1) - 1).clamp(min=0)
    with _registered(attention):
        model.set_attn_implementation("truth")
        try:
            mask = None if real is None else real.long()
            logits: Tensor = model(tokens, attention_mask=mask, position_ids=positions, use_cache=False).logits
        finally:
            model.set_attn_implementation(before)
    return logits


@contextmanager
def _registered(attention: Any) -> Iterator[None]:
    AttentionInterface.register("truth", attention)
    AttentionMaskInterface.register("truth", sdpa_mask)
    try:
        yield
    finally:
        for table in (AttentionInterface, AttentionMaskInterface):
            del table._global_mapping["truth"]


def tokens(length: int = LENGTH) -> Tensor:
    return tiny.ids(length=length)


def wide(**more: Any) -> hf.PreTrainedModel:
    """Llama with 4 key heads of 64, which differ."""
    sizes = {"hidden_size": 64, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 64}
    config = hf.LlamaConfig(vocab_size=tiny.VOCAB, intermediate_size=24, num_hidden_layers=3, **sizes, **more)
    return hf.LlamaForCausalLM(config)
