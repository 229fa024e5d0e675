"""Models and caches whose keys cannot be let go of: refused, with the reason, before anything comes out wrong."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers as hf
from tests.bridges import tiny
from tests.bridges.tiny import PADDINGS, ids, ready

import regard
from regard.allocate import Eviction
from regard.bridges import transformers as bridge
from regard.spec import Budget
from regard.spec.errors import KernelError, SpecError

FEW = Eviction(keys=4, first=1, step=1)


def call(model: Any, **more: Any) -> Any:
    with torch.no_grad(), regard.use(model, eviction=FEW):
        return model(**{"input_ids": ids(), **more})


def refuse(told: str, build: Any, implementation: str = "sdpa", **more: Any) -> None:
    model = ready(build, implementation)
    with pytest.raises((SpecError, KernelError), match=told):
        call(model, **more)


def test_weights_that_are_asked_for() -> None:
    refuse("output_attentions=True", tiny.llama, "eager", output_attentions=True)


def test_a_gradient() -> None:
    model = ready(tiny.llama, "sdpa")
    with (
        pytest.raises(KernelError, match=r"a gradient is wanted: run the model in torch.no_grad"),
        regard.use(model, eviction=FEW),
    ):
        model(ids())


def test_packed_sequences() -> None:
    part = torch.tensor([0] * 6 + [1] * 5)
    own = (part[:, None] == part) & torch.ones(11, 11).tril().bool()
    refuse(r"its mask is \[", tiny.llama, attention_mask=own.expand(2, 1, 11, 11))


def test_a_mask_that_differs_by_head() -> None:
    mask = torch.ones(2, 4, 11, 11).tril().bool()
    mask[:, 1, 5:, 2] = False
    refuse(r"its mask is \[", tiny.llama, attention_mask=mask)


def test_a_bias_by_place() -> None:
    bias = torch.zeros(2, 1, 11, 11).masked_fill(torch.ones(11, 11).triu(1).bool(), torch.finfo(torch.float32).min)
    bias[..., 1:, 0] -= 1.0
    refuse("its scores have a bias", tiny.llama, "eager", attention_mask=bias)


def test_queries_that_see_what_comes() -> None:
    model = ready(tiny.llama, "sdpa")
    for layer in model.model.layers:
        layer.self_attn.is_causal = False
    with pytest.raises(KernelError, match="does not stand on the last key under a causal mask"):
        call(model)


def test_a_cache_of_fixed_size() -> None:
    model = ready(tiny.llama, "sdpa")
    more = {"max_new_tokens": 2, "cache_implementation": "static", "disable_compile": True}
    with (
        pytest.raises(SpecError, match="a StaticLayer of a StaticCache is not cut back: expected a cache that"),
        regard.use(model, eviction=FEW),
    ):
        model.generate(ids(), **more)


def test_a_cache_that_does_not_know_its_layers() -> None:
    refuse("and knows its layers", tiny.llama, past_key_values=hf.DynamicCache())


def test_an_encoder_decoder() -> None:
    refuse("an encoder-decoder's cache is not cut back", tiny.t5, decoder_input_ids=ids(length=3))


def test_a_layer_that_does_not_know_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the cache's `update` that needs one; here the model's own attention still has it, under another name."""
    model = ready(tiny.llama, "sdpa")
    own = hf.DynamicCache.update

    def update(self: Any, key: Any, value: Any, layer_idx: Any, *args: Any, **kwargs: Any) -> Any:
        return own(self, key, value, int(layer_idx), *args, **kwargs)

    monkeypatch.setattr(hf.DynamicCache, "update", update)
    for layer in model.model.layers:
        layer.self_attn.layer_idx = str(layer.self_attn.layer_idx)
    with pytest.raises(SpecError, match="it has no layer_idx"):
        call(model)


def test_a_budget_beside_it() -> None:
    with (
        pytest.raises(SpecError, match="a budget and an eviction were given"),
        regard.use(ready(tiny.llama, "sdpa"), Budget(fraction=0.5), eviction=FEW),
    ):
        pass


def test_what_is_no_eviction() -> None:
    told = r"eviction=0.25: expected an Eviction, such as Eviction\(fraction=0.25\)"
    with pytest.raises(SpecError, match=told), regard.use(ready(tiny.llama, "sdpa"), eviction=0.25):  # type: ignore[arg-type]
        pass


def failing(at: int) -> Any:
    """Reads every call but those of one layer."""
    read = bridge.read_call

    def fails(masks: Any, asked: Any) -> Any:
        if asked.given["module"].layer_idx == at:
            raise ValueError("no such mask")
        return read(masks, asked)

    return fails


def twice(model: Any, between: Any) -> None:
    cache = hf.DynamicCache(config=model.config)
    with torch.no_grad(), regard.use(model, eviction=FEW):
        model(ids(), past_key_values=cache)
        between()
        model(ids(length=2), past_key_values=cache)


@pytest.mark.parametrize("at", [0, 1], ids=["told at the next layer", "told at the end of the block"])
def test_attention_that_gets_out_of_reach_is_not_passed_over(at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer whose call cannot be read would attend to new keys alone."""
    fails = failing(at)
    with pytest.raises(KernelError, match="could not be taken over, and would miss the keys"):
        twice(ready(tiny.llama, "sdpa"), lambda: monkeypatch.setattr(bridge, "read_call", fails))


def test_a_layer_that_never_was_in_reach_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "read_call", failing(1))
    with pytest.raises(KernelError, match=r"could not be taken over.*\(model\.layers\.1\.self_attn"):
        twice(ready(tiny.llama, "sdpa"), lambda: None)


def test_without_a_cache_there_is_nothing_to_do() -> None:
    model = ready(tiny.llama, "sdpa")
    with torch.no_grad():
        alone = model(ids(), use_cache=False).logits
        with regard.use(model, eviction=FEW) as used:
            torch.testing.assert_close(model(ids(), use_cache=False).logits, alone, rtol=1e-5, atol=1e-5)
    assert used.eviction is not None
    assert used.eviction.layers == {}
    assert "nothing was held" in str(used)


def test_layers_with_a_window_are_left_and_named() -> None:
    model = ready(tiny.gemma3, "sdpa")
    with torch.no_grad(), regard.use(model, eviction=FEW) as used:
        cache = model(ids(), attention_mask=PADDINGS["none"]).past_key_values
    assert used.eviction is not None
    assert used.eviction.left == {"model.layers.0.self_attn": "its window lets go of what it has passed"}
    assert type(cache.layers[0]) is hf.cache_utils.DynamicSlidingWindowLayer
    kept = cache.layers[0].keys.untyped_storage().nbytes() + cache.layers[0].values.untyped_storage().nbytes()
    assert used.eviction.others == kept
    assert "as ever in 1 layer" in str(used)
