"""KeyValueCache: what it returns, how it grows, and that decoding with it equals the full causal pass."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from regard.nn import KeyValueCache, MultiHeadAttention
from regard.spec import ALiBi, Causal, RelativeBias, Rotary, ShapeError, SinkLogits, SpecError, Window

BATCH, HEADS, DIM, VALUE_DIM = 2, 3, 5, 7


def pair(new: int, **changes: int) -> tuple[Tensor, Tensor]:
    batch, heads = changes.get("batch", BATCH), changes.get("heads", HEADS)
    return torch.randn(batch, heads, new, changes.get("dim", DIM)), torch.randn(batch, heads, new, VALUE_DIM)


def test_it_returns_all_that_was_appended_in_order() -> None:
    cache, parts = KeyValueCache(capacity=2), [pair(new) for new in (1, 1, 3, 1, 11)]
    for part in parts:
        keys, values = cache.append(*part)
    assert torch.equal(keys, torch.cat([k for k, _ in parts], 2))
    assert torch.equal(values, torch.cat([v for _, v in parts], 2))
    assert cache.length == 17


def test_room_is_doubled_and_what_is_returned_is_a_view_of_it() -> None:
    cache, rooms = KeyValueCache(capacity=2), []
    for _ in range(9):
        cache.append(*pair(1))
        rooms.append(cache.capacity)
    assert rooms == [2, 2, 4, 4, 8, 8, 8, 8, 16]
    first, _ = cache.view()
    second, _ = cache.append(*pair(1))
    assert first.data_ptr() == second.data_ptr()


def test_batch_items_are_kept_reordered_and_doubled() -> None:
    cache = KeyValueCache()
    keys, values = pair(3)
    cache.append(keys, values)
    cache.select(torch.tensor([1, 0, 1]))
    assert torch.equal(cache.view()[0], keys[[1, 0, 1]])
    assert torch.equal(cache.view()[1], values[[1, 0, 1]])
    cache.append(*pair(1, batch=3))
    assert cache.length == 4


def test_clear_forgets_the_shapes_too() -> None:
    cache = KeyValueCache()
    cache.append(*pair(3))
    cache.clear()
    assert (cache.length, cache.capacity) == (0, 0)
    cache.append(*pair(2, heads=1))
    with pytest.raises(SpecError, match="is empty"):
        KeyValueCache().view()


@pytest.mark.parametrize("change", [{"batch": 3}, {"heads": 1}, {"dim": 4}])
def test_other_shapes_are_refused_and_nothing_is_lost(change: dict[str, int]) -> None:
    cache = KeyValueCache()
    keys, _ = cache.append(*pair(3))
    with pytest.raises(ShapeError, match="one cache serves one layer and one batch"):
        cache.append(*pair(1, **change))
    assert torch.equal(cache.view()[0], keys)


def test_other_dtypes_and_lengths_and_recorded_gradients_are_refused() -> None:
    cache = KeyValueCache()
    keys, values = pair(1)
    cache.append(keys, values)
    with pytest.raises(ShapeError, match=r"\(2, 3, 5\) float32 on cpu, but \(2, 3, 5\) float64 on cpu"):
        cache.append(keys.double(), values.double())
    with pytest.raises(ShapeError, match=r"expected\s+\(batch, kv_heads, new, dim\)"):
        cache.append(keys, values[:, :, :0])
    with pytest.raises(SpecError, match=r"decode inside torch\.no_grad\(\)"):
        cache.append(keys.requires_grad_(), values)
    with torch.no_grad():
        cache.append(keys, values)
    with pytest.raises(SpecError, match="capacity=0"):
        KeyValueCache(capacity=0)


def test_one_cache_serves_inside_and_outside_of_inference_mode() -> None:
    for reordered in (False, True):
        cache, parts = KeyValueCache(capacity=3), []
        for inside in (True, False, True, False):  # grows at the last one
            with torch.inference_mode(inside):
                parts.append(pair(1))
                cache.append(*parts[-1])
                if reordered:
                    cache.select(torch.tensor([0, 1]))
        assert torch.equal(cache.view()[0], torch.cat([k for k, _ in parts], 2))


LAYERS = {
    "plain": {},
    "grouped": {"kv_heads": 2},
    "rotary": {"rotary": Rotary(), "kv_heads": 1},
    "alibi": {"bias": ALiBi.for_heads(6)},
    "relative": {"bias": (RelativeBias(torch.linspace(-2, 2, 30).reshape(6, 5)), SinkLogits(torch.zeros(6)))},
}


@pytest.mark.parametrize("chunks", [[1] * 11, [5, 1, 1, 4], [11]])
@pytest.mark.parametrize("name", LAYERS)
@torch.no_grad()
def test_step_by_step_equals_the_full_causal_pass(name: str, chunks: list[int]) -> None:
    layer = MultiHeadAttention(24, 6, value_dim=5, **LAYERS[name])
    x = torch.randn(3, 11, 24)
    for mask in (Causal(), Causal() & Window(3, 0)):
        cache = KeyValueCache(capacity=2)
        steps = [layer(part, mask=mask, cache=cache) for part in x.split(chunks, 1)]
        torch.testing.assert_close(torch.cat(steps, 1), layer(x, mask=mask))
        assert cache.length == 11


@torch.no_grad()
def test_a_contexts_keys_are_projected_once() -> None:
    layer = MultiHeadAttention(24, 6, context_dim=13)
    x, context, cache = torch.randn(3, 5, 24), torch.randn(3, 7, 13), KeyValueCache()
    want = layer(x, context=context)
    layer(x[:, :1], context=context, cache=cache)
    calls: list[int] = []
    layer.key.register_forward_hook(lambda *_: calls.append(1))
    torch.testing.assert_close(layer(x[:, 1:], context=context, cache=cache), want[:, 1:])
    assert calls == []
    assert cache.length == 7
    with pytest.raises(ShapeError, match="a cache belongs to one context"):
        layer(x, context=context[:, :5], cache=cache)
