"""Models of transformers, watched: figures against those made in float64 from the weights the same model lays open."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.bridges import tiny
from tests.bridges.tiny import LENGTH, PADDINGS, ids, ready
from tests.lens.eager import hold, hold_lse

from regard.lens.trace import Trace
from regard.lens.watch import watch


def text(padding: str = "none", **more: Any) -> dict[str, Any]:
    return {"input_ids": ids(), "attention_mask": PADDINGS[padding], **more}


def eager_weights(build: Any, name: str, inputs: dict[str, Any]) -> tuple[torch.Tensor, ...]:
    """(batch, heads, queries, keys) of each layer, from the same model run eagerly and unwatched."""
    with torch.no_grad():
        out = ready(build, "eager")(**inputs, output_attentions=True)
    return getattr(out, name)


def watched(build: Any, implementation: str, inputs: dict[str, Any], **wanted: Any) -> tuple[Any, Trace, Any]:
    """The output, the trace, and the recording; the output is the unwatched one, bit for bit."""
    model = ready(build, implementation)
    with torch.no_grad():
        alone = model(**inputs)[0]
        with watch(model, keep=True, **wanted) as seen:
            out = model(**inputs)[0]
        again = model(**inputs)[0]
    assert torch.equal(alone, out)
    assert torch.equal(alone, again)
    return out, seen.trace(), seen


CASES = [
    (tiny.llama, "sdpa"),
    (tiny.llama, "eager"),
    (tiny.gemma3, "sdpa"),
    (tiny.gemma3, "eager"),
    (tiny.gemma2, "eager"),
    (tiny.gpt2, "sdpa"),
    (tiny.gpt2, "eager"),
    (tiny.bert, "sdpa"),
    (tiny.bert, "eager"),
    (tiny.gpt_oss, "eager"),
]


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(("build", "implementation"), CASES, ids=lambda case: getattr(case, "__name__", case))
def test_figures_of_a_text_model_are_those_of_its_weights(build: Any, implementation: str, padding: str) -> None:
    inputs = text(padding)
    weights = eager_weights(build, "attentions", inputs)
    _, trace, _ = watched(build, implementation, inputs, top=3)
    assert not trace.unseen
    assert len(trace.layers) == len(weights) == 2
    for layer, each in zip(trace.layers, weights, strict=True):
        assert layer.kind == "self"
        assert torch.equal(layer.queries_valid, PADDINGS[padding].bool())
        assert torch.equal(layer.keys_valid, PADDINGS[padding].bool())
        hold(layer, each, top=3)


def test_lse_is_score_minus_log_weight() -> None:
    weights = eager_weights(tiny.llama, "attentions", text("left"))
    _, trace, seen = watched(tiny.llama, "sdpa", text("left"))
    for layer, each in zip(trace.layers, weights, strict=True):
        (call,) = seen.calls[layer.name]
        hold_lse(layer, each, call.query, call.key, 8**-0.5)


def test_masks_are_read_as_what_they_are() -> None:
    def words(build: Any, implementation: str, padding: str) -> list[str]:
        return [layer.mask for layer in watched(build, implementation, text(padding))[1].layers]

    window = "window of 3 before and 0 after"
    assert words(tiny.gemma3, "sdpa", "none") == [window, "causal"]
    assert words(tiny.gemma3, "eager", "left") == [f"{window} and padding", "causal and padding"]
    assert words(tiny.bert, "sdpa", "right") == ["padding", "padding"]
    assert words(tiny.bert, "eager", "none") == ["none", "none"]


def test_layers_carry_their_module_paths() -> None:
    _, trace, _ = watched(tiny.llama, "sdpa", text())
    assert [layer.name for layer in trace.layers] == ["model.layers.0.self_attn", "model.layers.1.self_attn"]


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_t5_with_its_position_bias_and_cross_attention(implementation: str) -> None:
    inputs = text("right", decoder_input_ids=ids(1, 5))
    _, trace, _ = watched(tiny.t5, implementation, inputs, top=2)
    assert not trace.unseen
    expected = {
        "encoder.block.{}.layer.0.SelfAttention": ("encoder_attentions", "self"),
        "decoder.block.{}.layer.0.SelfAttention": ("decoder_attentions", "self"),
        "decoder.block.{}.layer.1.EncDecAttention": ("cross_attentions", "cross"),
    }
    assert len(trace.layers) == 6
    for path, (name, kind) in expected.items():
        for index, weights in enumerate(eager_weights(tiny.t5, name, inputs)):
            layer = trace.layer(path.format(index))
            assert layer.kind == kind
            hold(layer, weights, top=2)
            keys = PADDINGS["right"].bool() if name != "decoder_attentions" else torch.ones(2, 5, dtype=torch.bool)
            assert torch.equal(layer.keys_valid, keys)
    crossing = trace.layer("decoder.block.0.layer.1.EncDecAttention")
    assert (len(trace.units_of_queries(crossing)[0]), len(trace.units_of_keys(crossing)[0])) == (5, LENGTH)
    assert len(trace.units_of_queries(trace.layers[0])[0]) == LENGTH


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_whisper_reads_frames(implementation: str) -> None:
    frames = torch.randn(2, 8, 26, generator=torch.Generator().manual_seed(2))
    inputs = {"input_features": frames, "decoder_input_ids": ids(1, 5)}
    _, trace, _ = watched(tiny.whisper, implementation, inputs)
    kinds = [layer.kind for layer in trace.layers]
    assert kinds == ["self", "self", "self", "cross", "self", "cross"]
    for name, picked in (("encoder_attentions", (0, 1)), ("decoder_attentions", (2, 4)), ("cross_attentions", (3, 5))):
        for place, weights in zip(picked, eager_weights(tiny.whisper, name, inputs), strict=True):
            hold(trace.layers[place], weights)


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_vit_looks_at_its_patches(implementation: str) -> None:
    inputs = {"pixel_values": torch.randn(2, 3, 15, 15, generator=torch.Generator().manual_seed(2))}
    weights = eager_weights(tiny.vit, "attentions", inputs)
    _, trace, _ = watched(tiny.vit, implementation, inputs, top=4)
    for layer, each in zip(trace.layers, weights, strict=True):
        assert layer.received.shape[-1] == 10  # the class token and 3 x 3 patches
        hold(layer, each, top=4)


@pytest.mark.parametrize("build", [tiny.llama, tiny.bert, tiny.gpt2], ids=lambda build: build.__name__)
def test_chosen_layers_and_heads_alone(build: Any) -> None:
    weights = eager_weights(build, "attentions", text())
    _, trace, _ = watched(build, "sdpa", text(), layers=[1], heads=[2, 0])
    (layer,) = trace.layers
    assert layer.heads == (2, 0)
    hold(layer, weights[1][:, [2, 0]])


def test_a_map_is_the_sum_of_the_weights_in_each_bin() -> None:
    weights = eager_weights(tiny.llama, "attentions", text())[0]
    layer = watched(tiny.llama, "sdpa", text(), bins=(2, 3))[1].layers[0]
    assert layer.row_edges.tolist() == [0, 5, 11]
    assert layer.col_edges.tolist() == [0, 3, 7, 11]
    for row, (a, b) in enumerate(((0, 5), (5, 11))):
        for col, (c, d) in enumerate(((0, 3), (3, 7), (7, 11))):
            flow = weights[:, :, a:b, c:d].double().sum((2, 3)).float()
            torch.testing.assert_close(layer.map[:, :, row, col], flow, rtol=2e-5, atol=2e-6)


def test_training_with_dropout_is_watched_before_the_dropout() -> None:
    model = ready(lambda **more: tiny.llama(attention_dropout=0.5, **more), "sdpa").train()
    torch.manual_seed(3)
    alone = model(**text(), labels=ids()).loss
    torch.manual_seed(3)
    with watch(model) as seen:
        out = model(**text(), labels=ids()).loss
        out.backward()
    assert torch.equal(alone, out)
    layer = seen.trace().layers[0]
    torch.testing.assert_close(layer.received.sum(-1), torch.full((2, 4), float(LENGTH)))
    assert not layer.received.requires_grad


def test_a_checkpointed_layer_that_computes_again_is_seen_once() -> None:
    model = ready(tiny.llama, "sdpa").train()
    model.activation_checkpointing_enable()
    with watch(model) as seen:
        model(**text(), use_cache=False, labels=ids()).loss.backward()
    assert seen.runs == 1
    assert [len(layer.positions) for layer in seen.trace().layers] == [LENGTH, LENGTH]
