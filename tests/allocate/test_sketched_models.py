"""Models whose caches keep a sketch of what they let go of."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import transformers as hf
from tests.allocate.slow_past import Text, truth
from tests.allocate.small import llama, text
from torch import Tensor
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask
from transformers.modeling_utils import AttentionInterface

import regard
from regard.allocate import Eviction, Periphery
from regard.allocate.past import Past
from regard.allocate.sketched import Sketched
from regard.bridges.transformers_cache import EvictedLayer
from regard.spec.errors import SpecError

SMALL: Any = {"first": 1, "step": 2, "periphery": Periphery(sketch=1, grain=4)}
CLOSE: Any = {"rtol": 5e-3, "atol": 5e-3}  # means are kept in float16, logits are about 1


@dataclass(frozen=True)
class Call:
    """Tokens `start` to `stop` came, when each layer held (past, bool (batch, kv_heads, start))."""

    start: int
    stop: int
    layers: list[tuple[Past | None, Tensor]]


def read(model: Any, ids: Tensor, calls: list[int], **more: Any) -> tuple[Tensor, Any]:
    """(logits, the cache) of a text read in so many tokens a call."""
    cache, start, logits = hf.DynamicCache(config=model.config), 0, []
    for count in calls:
        logits.append(model(ids[:, start : start + count], past_key_values=cache, **more).logits)
        start += count
    return torch.cat(logits, 1), cache


@pytest.mark.parametrize("calls", [[40, *[1] * 8], [16] * 3, [1] * 48], ids=["prompt", "chunks", "tokens"])
@pytest.mark.parametrize("sizes", ["even", "heads", "layers"])
def test_where_all_is_kept_nothing_changes(calls: list[int], sizes: str) -> None:
    model, ids = llama(), text(48)
    with torch.no_grad(), regard.use(model):
        plain, _ = read(model, ids, calls)
    with torch.no_grad(), regard.use(model, eviction=Eviction(fraction=1.0, sizes=sizes, **SMALL)):
        whole, _ = read(model, ids, calls)
    torch.testing.assert_close(whole, plain, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("beams", [1, 3])
def test_generating_with_all_kept_is_generating(beams: int) -> None:
    model, ids = llama(bos_token_id=1, eos_token_id=2, pad_token_id=0), text(40)
    more: Any = {"max_new_tokens": 12, "do_sample": False, "num_beams": beams, "attention_mask": torch.ones_like(ids)}
    expected = model.generate(ids, **more)
    with regard.use(model, eviction=Eviction(fraction=1.0, **SMALL)):
        assert torch.equal(model.generate(ids, **more), expected)
    with regard.use(model, eviction=Eviction(keys=12, **SMALL)) as used:
        written = model.generate(ids, **more)
    assert written.shape == expected.shape
    assert used.eviction is not None
    assert all(max(layer.sizes) < 16 and layer.seen > 48 for layer in used.eviction.layers.values())


def streamed(model: Any, ids: Tensor, eviction: Eviction, calls: list[int], real: Tensor) -> tuple[Tensor, list[Call]]:
    cache, start, logits, told = hf.DynamicCache(config=model.config), 0, [], []
    with torch.no_grad(), regard.use(model, eviction=eviction):
        for count in calls:
            some = slice(start, start + count)
            told.append(Call(start, start + count, [_layer(layer, start) for layer in cache.layers if start]))
            more = {"attention_mask": real[:, : some.stop].long(), "position_ids": _positions(real)[:, some]}
            logits.append(model(ids[:, some], past_key_values=cache, **more).logits)
            start += count
    return torch.cat(logits, 1), told


def _layer(layer: Any, seen: int) -> tuple[Past | None, Tensor]:
    assert isinstance(layer, EvictedLayer)
    storage = layer.held
    assert isinstance(storage, Sketched)
    held = torch.zeros(storage.batch, len(storage.sizes), seen, dtype=torch.bool)
    for part in storage.held.parts:
        for slot, head in enumerate(part.heads):
            held[:, head].scatter_(1, part.positions[:, slot, : part.count].long(), True)
    return copy.deepcopy(storage.past), held


def _positions(real: Tensor) -> Tensor:
    return (real.long().cumsum(1) - 1).clamp(min=0)


def slow(model: Any, ids: Tensor, told: list[Call], real: Tensor) -> Tensor:
    """The logits by one pass without a cache, each layer and call by the slow truth."""

    def attention(module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Any, **given: Any) -> Any:
        found = []
        for call in told:
            past, held = call.layers[module.layer_idx] if call.layers else (None, real.new_ones(len(ids), 2, 0))
            new = torch.ones(len(ids), 2, call.stop - call.start, dtype=torch.bool)
            some = slice(call.stop)
            parts = Text(key[:, :, some], value[:, :, some], real[:, some], torch.cat((held, new), 2))
            found.append(truth(parts, past, query[:, :, call.start : call.stop], scale=given["scaling"]))
        return torch.cat(found, 2).to(query.dtype).transpose(1, 2), None

    with _registered(attention), torch.no_grad():
        model.set_attn_implementation("slow")
        logits: Tensor = model(ids, attention_mask=real.long(), position_ids=_positions(real), use_cache=False).logits
        model.set_attn_implementation("sdpa")
    return logits


@contextmanager
def _registered(attention: Any) -> Iterator[None]:
    AttentionInterface.register("slow", attention)
    AttentionMaskInterface.register("slow", sdpa_mask)
    try:
        yield
    finally:
        for table in (AttentionInterface, AttentionMaskInterface):
            del table._global_mapping["slow"]


@pytest.mark.parametrize("padding", [0, 9])
@pytest.mark.parametrize("sizes", ["even", "heads", "layers"])
@pytest.mark.parametrize("calls", [[30, *[1] * 11, 20], [16, 16, 16, 13], [1] * 61], ids=["prompt", "chunks", "tokens"])
def test_a_model_reads_what_is_held_and_the_sketch(calls: list[int], sizes: str, padding: int) -> None:
    model, ids = llama(), torch.cat((text(61), text(61, seed=1)))
    real = torch.arange(61) >= torch.tensor([[0], [padding]])
    found, told = streamed(model, ids, Eviction(keys=14, sizes=sizes, **SMALL), calls, real)
    past, held = told[-1].layers[1]
    assert past is not None
    assert past.length >= 36
    assert int(held.sum(2).min()) < 24
    torch.testing.assert_close(found[real], slow(model, ids, told, real)[real], **CLOSE)
    plain = slow(model, ids, [Call(0, 61, [])], real)[real]
    assert not torch.allclose(found[real], plain, **CLOSE)  # the truth can tell


def test_memory_in_a_model() -> None:
    """A quarter of the memory at the end, by heads of 64 whose keys weigh more than what is noted of them."""
    model, ids = llama(hidden_size=256, max_position_embeddings=2048), text(1500)
    periphery = Periphery(sketch=0.5, grain=32)
    with torch.no_grad(), regard.use(model, eviction=Eviction(fraction=0.25, step=16, periphery=periphery)) as used:
        read(model, ids, [100] * 15)
    told = used.eviction
    assert told is not None
    assert told.bytes < 0.27 * told.full
    assert told.peak < 0.34 * told.full  # with the 100 keys that had just come
    plain = Eviction(fraction=0.25).size(1500)
    assert all(size < plain for layer in told.layers.values() for size in layer.sizes)


def test_a_model_without_regard_refuses_the_sketch() -> None:
    model, ids = llama(), text(48)
    with torch.no_grad(), regard.use(model, eviction=Eviction(keys=14, **SMALL)):
        _, cache = read(model, ids, [40])
    with torch.no_grad(), pytest.raises(SpecError, match="a sketch of the keys that were let go"):
        model(ids[:, 40:], past_key_values=cache)
    with torch.no_grad(), regard.use(model, eviction=Eviction(keys=14, **SMALL)):
        assert model(ids[:, 40:], past_key_values=copy.deepcopy(cache)).logits.isfinite().all()
