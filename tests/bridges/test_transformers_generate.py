"""generate() watched: the same tokens, and every step on the prompt's own axis."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.bridges import tiny
from tests.bridges.tiny import LENGTH, PADDINGS, ids, ready
from tests.lens.eager import hold

from regard.lens.trace import Trace
from regard.lens.watch import watch

NEW = 6


def generate(model: Any, inputs: dict[str, Any], **more: Any) -> Any:
    return model.generate(**inputs, max_new_tokens=NEW, min_new_tokens=NEW, do_sample=False, **more)


def traced(build: Any, implementation: str, inputs: dict[str, Any], **more: Any) -> Trace:
    model = ready(build, implementation)
    alone = generate(model, inputs, **more)
    with watch(model, top=2) as seen:
        tokens = generate(model, inputs, **more)
    assert torch.equal(alone, tokens)
    assert seen.runs == 1
    return seen.trace()


def laid_out(steps: Any, layer: int, *, cross: bool = False) -> torch.Tensor:
    """One layer's weights of all steps, (batch, heads, queries, keys): step by step below each other, keys where they
    lie. In self-attention the last key of a step is its last query."""
    parts = [step[layer] for step in steps]
    rows = sum(part.shape[2] for part in parts)
    out = parts[0].new_zeros(*parts[0].shape[:2], rows, parts[0].shape[3] if cross else rows)
    row = 0
    for part in parts:
        end = row + part.shape[2]
        first = 0 if cross else end - part.shape[3]
        out[:, :, row:end, first : first + part.shape[3]] = part
        row = end
    return out


def eager_steps(build: Any, inputs: dict[str, Any]) -> Any:
    return generate(ready(build, "eager"), inputs, output_attentions=True, return_dict_in_generate=True)


@pytest.mark.parametrize("padding", ["none", "left"])
@pytest.mark.parametrize(
    ("build", "implementation"),
    [
        (tiny.llama, "sdpa"),
        (tiny.llama, "eager"),
        (tiny.gemma3, "sdpa"),  # the window's cache drops old keys
        (tiny.gemma3, "eager"),
        (tiny.gpt2, "sdpa"),
        (tiny.gpt_oss, "eager"),
    ],
    ids=lambda case: getattr(case, "__name__", case),
)
def test_every_step_of_a_decoder(build: Any, implementation: str, padding: str) -> None:
    inputs = {"input_ids": ids(), "attention_mask": PADDINGS[padding]}
    trace = traced(build, implementation, inputs)
    steps = eager_steps(build, inputs).attentions
    assert not trace.unseen
    assert len(trace.layers) == 2
    real = torch.cat([PADDINGS[padding].bool(), torch.ones(2, NEW - 1, dtype=torch.bool)], 1)
    for index, layer in enumerate(trace.layers):
        assert layer.positions.tolist() == list(range(LENGTH + NEW - 1))  # the last token was never read
        assert torch.equal(layer.keys_valid, real)
        assert torch.equal(layer.queries_valid, real)
        hold(layer, laid_out(steps, index), top=2)


def test_every_step_of_an_encoder_decoder() -> None:
    inputs = {"input_ids": ids(), "attention_mask": PADDINGS["right"]}
    trace = traced(tiny.t5, "sdpa", inputs)
    steps = eager_steps(tiny.t5, inputs)
    for index in range(2):
        itself = trace.layer(f"decoder.block.{index}.layer.0.SelfAttention")
        hold(itself, laid_out(steps.decoder_attentions, index), top=2)
        crossing = trace.layer(f"decoder.block.{index}.layer.1.EncDecAttention")
        assert crossing.positions.tolist() == list(range(NEW))
        hold(crossing, laid_out(steps.cross_attentions, index, cross=True), top=2)
        hold(trace.layer(f"encoder.block.{index}.layer.0.SelfAttention"), steps.encoder_attentions[index], top=2)
    assert len(trace.units[0]) == NEW


@pytest.mark.parametrize("padding", ["none", "left"])
def test_a_cache_of_fixed_size_makes_no_difference(padding: str) -> None:
    inputs = {"input_ids": ids(), "attention_mask": PADDINGS[padding]}
    plain = traced(tiny.llama, "sdpa", inputs)
    fixed = traced(tiny.llama, "sdpa", inputs, cache_implementation="static", disable_compile=True)
    for mine, theirs in zip(fixed.layers, plain.layers, strict=True):
        length = theirs.keys
        assert not mine.received[..., length:].any()
        assert torch.equal(mine.positions, theirs.positions)
        assert torch.equal(mine.keys_valid[:, :length], theirs.keys_valid)
        torch.testing.assert_close(mine.received[..., :length], theirs.received, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(mine.distance, theirs.distance, rtol=1e-5, atol=1e-5)


def test_maps_are_of_the_prompt() -> None:
    model = ready(tiny.llama, "sdpa")
    with watch(model, bins=(3, 3), sample=0.5) as seen:
        generate(model, {"input_ids": ids(), "attention_mask": PADDINGS["none"]})
    layer = seen.trace().layers[0]
    assert layer.row_edges.tolist() == [0, 3, 7, 11]
    assert layer.map.shape == (2, 4, 3, 3)
    assert len(layer.positions) == 6 + NEW - 1  # half of the prompt, and each step whole
    assert layer.population == LENGTH + NEW - 1


def test_beams_beside_an_encoder_are_told_apart_from_it() -> None:
    model = ready(tiny.t5, "sdpa")
    with watch(model) as seen:
        generate(model, {"input_ids": ids()}, num_beams=3)
    trace = seen.trace()
    assert {layer.batch for layer in trace.layers} == {6}
    assert [name for name, _ in trace.unseen] == [f"encoder.block.{i}.layer.0.SelfAttention" for i in range(2)]
    assert "a batch of 2, most layers one of 6" in trace.unseen[0][1]
