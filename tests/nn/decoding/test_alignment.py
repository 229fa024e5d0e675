"""Alignment of decoded outputs: the weights of the very steps that wrote them, in rows that sum to 1."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from tests.nn.decoding.models import BOTH, END, HEADS, LENGTHS, SOURCE_LEN, inputs, recurrent, source, transformer

from regard.engine.observe import flow
from regard.engine.seams import reach
from regard.nn.decoding import Limits, alignment, beam_search, greedy
from regard.nn.sequence_to_sequence import SequenceToSequence
from regard.spec import SpecError


@pytest.mark.parametrize("make", BOTH.values(), ids=BOTH)
def test_rows_are_outputs_and_columns_are_sources(make: Callable[[], SequenceToSequence]) -> None:
    model, given = make(), source()
    outputs = [best[0] for best in beam_search(model, given, Limits(longest=7, end=END), width=3)]
    outputs[2] = greedy(model, given, Limits(longest=3))[2]  # a shorter one among them
    weights = alignment(model, given, outputs)
    longest = max(len(output.ids) for output in outputs)
    assert weights.shape == (3, longest, SOURCE_LEN)
    for item, (output, length) in enumerate(zip(outputs, LENGTHS.tolist(), strict=True)):
        written = len(output.ids)
        torch.testing.assert_close(weights[item, :written].sum(-1), torch.ones(written))
        assert not weights[item, written:].any()
        assert not weights[item, :, length:].any()
        alone = alignment(model, (given[0][item : item + 1, :length], None), [output])
        torch.testing.assert_close(alone[0], weights[item, :written, :length], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", BOTH.values(), ids=BOTH)
@torch.no_grad()
def test_they_are_the_weights_of_the_steps_that_wrote(make: Callable[[], SequenceToSequence]) -> None:
    model, given, seen = make(), source(torch.tensor([4])), []
    paths = ("decoder.attention", "decoder.decoder.blocks.1.context_attention")  # the last that reads the source
    with reach(model, lambda reached: seen.append(reached) or reached.compute()):
        outputs = greedy(model, given, Limits(longest=5))
    steps = [flow(call.request, bins=(1, SOURCE_LEN))[0].mean(1)[0] for call in seen if call.name in paths]
    assert len(steps) == 5
    torch.testing.assert_close(alignment(model, given, outputs)[0], torch.cat(steps), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_layers_and_heads_of_a_transformer() -> None:
    model, given, ids = transformer(layers=3), source(), inputs()
    every = torch.stack([model.alignment(given, ids, layer=1, head=head) for head in range(HEADS)])
    torch.testing.assert_close(every.mean(0), model.alignment(given, ids, layer=1))
    torch.testing.assert_close(model.alignment(given, ids, layer=2), model.alignment(given, ids))
    assert not torch.allclose(every[0], every[1])
    for wrong in ({"layer": 3}, {"layer": -4}, {"head": HEADS}, {"head": -1}):
        with pytest.raises(SpecError, match="expected a layer of 3"):
            model.alignment(given, ids, **wrong)
    with pytest.raises(SpecError, match="in training mode"):
        model.train().alignment(given, ids)


@torch.no_grad()
def test_additive_attention_has_one_layer_of_one_head() -> None:
    model, given, ids = recurrent(), source(), inputs()
    assert torch.equal(model.alignment(given, ids, layer=0, head=0), model.alignment(given, ids))
    with pytest.raises(SpecError, match="one layer of one head"):
        model.alignment(given, ids, layer=1)


@pytest.mark.parametrize("make", BOTH.values(), ids=BOTH)
def test_outputs_of_no_token(make: Callable[[], SequenceToSequence]) -> None:
    model, given = make(), source()
    (first, *_) = greedy(model, given, Limits(longest=2))
    empty = type(first)((), 0.0, 0.0, True)
    assert alignment(model, given, [empty] * 3).shape == (3, 0, SOURCE_LEN)
    weights = alignment(model, given, [empty, first, empty])
    assert weights.shape == (3, 2, SOURCE_LEN)
    assert weights.sum().item() == pytest.approx(2.0)
