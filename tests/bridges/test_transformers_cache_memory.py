"""Caches that are cut back as things in memory: how large they are, what is freed, and where else they can go."""

from __future__ import annotations

import copy
import gc

import pytest
import torch
import transformers as hf
from tests.bridges import tiny
from tests.bridges.kept import CLOSE, LENGTH, SMALL, streamed, tokens, wide
from tests.bridges.tiny import ready
from torch import Tensor

import regard
from regard.allocate import Eviction
from regard.spec.errors import SpecError


def stored(cache: hf.DynamicCache) -> int:
    """Bytes of every tensor that can be reached from the cache, each storage once."""
    seen: dict[int, int] = {}
    stack, known = [cache], set()
    while stack:
        part = stack.pop()
        if id(part) in known:
            continue
        known.add(id(part))
        if isinstance(part, Tensor):
            seen[part.untyped_storage().data_ptr()] = part.untyped_storage().nbytes()
        elif isinstance(part, dict):
            stack.extend(part.values())
        elif isinstance(part, list | tuple):
            stack.extend(part)
        elif hasattr(part, "__dict__"):
            stack.extend(vars(part).values())
    return sum(seen.values())


@pytest.mark.parametrize("sizes", ["even", "heads", "layers"])
def test_the_memory_is_that_of_what_is_held(sizes: str) -> None:
    """400 tokens, a quarter of them, in chunks of 20: with the step, a chunk's keys and what is noted of each key,
    never above 30 % of the full cache where each layer is cut at once."""
    model = ready(wide, "sdpa")
    full = streamed(model, tokens(400), None, [400])
    found = streamed(model, tokens(400), Eviction(fraction=0.25, step=4, sizes=sizes), [20] * 20)
    whole = stored(full.cache)
    assert whole == 2 * 400 * 3 * 4 * 2 * 64 * 4
    assert stored(found.cache) == found.used.eviction.bytes
    assert stored(found.cache) < 0.28 * whole
    assert found.used.eviction.full == whole
    assert stored(found.cache) <= found.used.eviction.peak <= (0.32 if sizes == "layers" else 0.30) * whole


def test_what_a_cache_held_before_is_freed() -> None:
    model = ready(wide, "sdpa")
    cache = hf.DynamicCache(config=model.config)
    with torch.no_grad():
        model(tokens(100), past_key_values=cache)
        before = sum(each.untyped_storage().nbytes() for each in _tensors())
        with regard.use(model, eviction=Eviction(fraction=0.2, step=1)):
            model(tokens(1), past_key_values=cache)
    gone = before - sum(each.untyped_storage().nbytes() for each in _tensors())
    each = 2 * 3 * 4 * 2 * 64 * 4  # bytes of a token
    assert gone > 0.75 * 100 * each


def _tensors() -> list[Tensor]:
    gc.collect()
    found = {each.untyped_storage().data_ptr(): each for each in gc.get_objects() if type(each) is Tensor}
    return list(found.values())


def test_a_cache_that_goes_on_outside_is_read_by_the_models_own_attention() -> None:
    model = ready(tiny.llama, "sdpa")
    inside = streamed(model, tokens(), Eviction(keys=6, **SMALL), [20, 2, 2, 6])
    outside = streamed(model, tokens()[:, :20], Eviction(keys=6, **SMALL), [20])
    with torch.no_grad():
        logits = [model(tokens()[:, at : at + 2], past_key_values=outside.cache).logits for at in (20, 22)]
    assert inside.sizes[1] == {0: [8, 8], 1: [8, 8]}  # not more than a step above its size
    torch.testing.assert_close(logits[0], inside.logits[:, 20:22], **CLOSE)
    assert outside.cache.get_seq_length() == 24
    assert [layer.held.sizes for layer in outside.cache.layers] == [[10, 10], [10, 10]]
    with torch.no_grad(), regard.use(model, eviction=Eviction(keys=6, **SMALL)):  # and in again
        model(tokens()[:, 24:26], past_key_values=outside.cache)
    assert [layer.held.sizes for layer in outside.cache.layers] == [[6, 6], [6, 6]]


def test_padding_goes_on_outside() -> None:
    model = ready(tiny.llama, "sdpa")
    real = torch.arange(LENGTH) >= torch.tensor([[0], [16]])
    eviction = Eviction(keys=8, **SMALL)  # of 20 tokens one item has 4: padding is held
    inside = streamed(model, tokens()[:, :22], eviction, [20, 2], real[:, :22])
    outside = streamed(model, tokens()[:, :20], eviction, [20], real[:, :20])
    positions = (real[:, :22].cumsum(1) - 1).clamp(min=0)[:, 20:]
    with torch.no_grad():
        more = {"past_key_values": outside.cache, "attention_mask": real[:, :22].long(), "position_ids": positions}
        logits = model(tokens()[:, 20:22], **more).logits
    torch.testing.assert_close(logits, inside.logits[:, 20:22], **CLOSE)


def test_heads_that_differ_are_not_read_by_the_models_own_attention() -> None:
    model = ready(wide, "sdpa")
    found = streamed(model, tokens(), Eviction(keys=6, sizes="heads", **SMALL), [LENGTH])
    with pytest.raises(SpecError, match="hold different numbers of keys"), torch.no_grad():
        model(tokens(1), past_key_values=found.cache)
    layer = found.cache.layers[0]
    for ask in (lambda: layer.keys, lambda: layer.values, lambda: layer.update(*[torch.zeros(2, 4, 1, 64)] * 2)):
        with pytest.raises(SpecError, match="hold different numbers of keys"):
            ask()


def test_a_cache_is_copied_with_what_it_holds() -> None:
    """One prompt, two continuations."""
    model = ready(tiny.llama, "sdpa")
    found = streamed(model, tokens(), Eviction(keys=6, sizes="heads", **SMALL), [LENGTH])
    logits = []
    for cache in (copy.deepcopy(found.cache), found.cache):
        with torch.no_grad(), regard.use(model, eviction=Eviction(keys=6, sizes="heads", **SMALL)):
            logits.append(model(tokens(3), past_key_values=cache).logits)
    assert torch.equal(*logits)


def test_a_cache_made_in_inference_mode_goes_on_outside_of_it() -> None:
    model, eviction = ready(tiny.llama, "sdpa"), Eviction(keys=6, **SMALL)
    cache = hf.DynamicCache(config=model.config)
    with regard.use(model, eviction=eviction):
        with torch.inference_mode():
            first = model(tokens()[:, :20], past_key_values=cache).logits
        with torch.no_grad():
            second = model(tokens()[:, 20:], past_key_values=cache).logits
    found = streamed(model, tokens(), eviction, [20, 10])
    torch.testing.assert_close(torch.cat((first, second), 1), found.logits, rtol=0, atol=0)


def test_two_caches_in_one_block_are_counted_while_they_last() -> None:
    model = ready(tiny.llama, "sdpa")
    with torch.no_grad(), regard.use(model, eviction=Eviction(fraction=1.0)) as used:
        for _ in range(3):
            model(tokens())
        assert used.eviction is not None
        alone = used.eviction.peak
        kept = [model(tokens()).past_key_values for _ in range(2)]
    assert alone == used.eviction.bytes
    assert used.eviction.peak == len(kept) * alone


def test_items_of_a_batch_are_chosen_and_repeated() -> None:
    model = ready(tiny.llama, "sdpa")
    eviction = Eviction(keys=6, **SMALL)
    cache = streamed(model, tokens(), eviction, [LENGTH]).cache
    one = copy.deepcopy(cache)
    one.batch_select_indices(torch.tensor([1]))
    one.batch_repeat_interleave(2)
    with torch.no_grad(), regard.use(model, eviction=eviction):
        both = model(tokens(3), past_key_values=cache).logits
        twice = model(tokens(3)[[1, 1]], past_key_values=one).logits
    torch.testing.assert_close(twice, both[[1, 1]], **CLOSE)


def test_what_a_cache_that_is_cut_back_does_not_do() -> None:
    cache = streamed(ready(tiny.llama, "sdpa"), tokens(), Eviction(keys=6, **SMALL), [LENGTH]).cache
    layer = cache.layers[0]
    assert not cache.is_croppable
    assert cache.get_max_length(0) == -1
    assert layer.keys.shape == layer.values.shape == (2, 2, 6, 8)
    layer.lazy_initialization(torch.zeros(1), torch.zeros(1))
    cache.crop(0)
    for verb in (lambda: cache.crop(-1), cache.reset, layer.offload, layer.prefetch):
        with pytest.raises(SpecError, match="a cache that is cut back"):
            verb()
