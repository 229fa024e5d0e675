"""Both encoder-decoders: steps equal to teacher forcing, padding unseen, decoding equal with and without a cache."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from tests.nn.decoding.models import (
    BEGIN,
    BOTH,
    DIM,
    END,
    HEADS,
    LENGTHS,
    OUT_LEN,
    SOURCE_LEN,
    TARGETS,
    Uncached,
    inputs,
    source,
    transformer,
)
from torch import Tensor

from regard.lens.watch import watch
from regard.nn import Decoder, TokenEmbedding
from regard.nn.decoding import Context, Limits, Output, Sampling, beam_search, greedy, sample
from regard.nn.heads import NextToken
from regard.nn.sequence_to_sequence import SequenceToSequence, TransformerDecoder
from regard.spec import ShapeError, SpecError

both = pytest.mark.parametrize("make", BOTH.values(), ids=BOTH)
Make = Callable[..., SequenceToSequence]


def stepped(model: SequenceToSequence, given: tuple[Tensor, Tensor], ids: Tensor) -> Tensor:
    state = model.start(given)
    assert state.first.tolist() == [BEGIN] * len(ids)
    return torch.stack([model.step(state, ids[:, place]) for place in range(ids.shape[1])], 1)


@both
@torch.no_grad()
def test_step_by_step_equals_teacher_forcing(make: Make) -> None:
    model, given, ids = make(), source(), inputs()
    whole = model(given, ids)
    assert whole.shape == (3, OUT_LEN, TARGETS)
    torch.testing.assert_close(stepped(model, given, ids), whole, rtol=0, atol=1e-5)
    model = model.double()
    torch.testing.assert_close(stepped(model, given, ids), model(given, ids), rtol=0, atol=1e-12)


@both
@torch.no_grad()
def test_rows_may_be_dropped_repeated_and_mixed_in_the_middle(make: Make) -> None:
    model, given, ids = make(), source(), inputs(4)
    state = model.start(given)
    order = torch.tensor([2, 0, 0, 2])
    for place in range(3):
        model.step(state, ids[:3, place])
    state.select(order)
    later = torch.stack([model.step(state, ids[:, place]) for place in range(3, OUT_LEN)], 1)
    written = torch.cat((ids[:3][order][:, :3], ids[:, 3:]), 1)
    want = model.decoder(model.read(given).select(order), written)[:, 3:]
    torch.testing.assert_close(later, want, rtol=0, atol=1e-5)


@both
@torch.no_grad()
def test_each_source_alone_gives_what_it_gives_in_a_batch(make: Make) -> None:
    model, given, ids = make(), source(), inputs()
    whole = model(given, ids)
    for item, length in enumerate(LENGTHS.tolist()):
        alone = model((given[0][item : item + 1, :length], None), ids[item : item + 1])
        torch.testing.assert_close(alone[0], whole[item], rtol=0, atol=1e-5)
    changed = given[0].clone()
    changed[1, 1:] = 0  # padding
    assert torch.equal(model((changed, LENGTHS), ids), whole)


@both
@torch.no_grad()
def test_no_step_looks_ahead(make: Make) -> None:
    model, given, ids = make(), source(), inputs()
    changed = ids.clone()
    changed[:, 4] = (changed[:, 4] + 1) % TARGETS
    differs = (model(given, ids) != model(given, changed)).any(-1)
    assert differs.tolist() == [[False] * 4 + [True] * 2] * 3


@both
@pytest.mark.parametrize("width", [1, 3, 20])
@torch.no_grad()
def test_a_beam_finds_the_same_with_and_without_a_cache(make: Make, width: int) -> None:
    model, given, limits = make().double(), source(), Limits(longest=7, end=END, never=(0, BEGIN))
    for parameter in model.parameters():
        parameter.mul_(2.5)  # away from the even odds of fresh weights
    found = beam_search(model, given, limits, width=width, most=min(width, 3))
    slow = beam_search(Uncached(model), given, limits, width=width, most=min(width, 3))
    assert [[(o.ids, o.ended) for o in each] for each in found] == [[(o.ids, o.ended) for o in each] for each in slow]
    for item, pairs in enumerate(zip(found, slow, strict=True)):
        for ours, theirs in zip(*pairs, strict=True):
            assert ours.score == pytest.approx(theirs.score, abs=1e-9)
            alone = (given[0][item : item + 1], given[1][item : item + 1])
            assert ours.log_probability == pytest.approx(scored(model, alone, ours), abs=1e-9)
    turned = beam_search(model, (given[0].flip(0), LENGTHS.flip(0)), limits, width=width, most=min(width, 3))
    assert [[o.ids for o in each] for each in turned[::-1]] == [[o.ids for o in each] for each in found]


def scored(model: SequenceToSequence, given: tuple[Tensor, Tensor], output: Output) -> float:
    """ln p of an output by teacher forcing."""
    told = [*output.ids, END] if output.ended else [*output.ids]
    fed = torch.tensor([[BEGIN, *told[:-1]]])
    logs = model(given, fed).log_softmax(-1)[0]
    return sum(float(logs[place, token]) for place, token in enumerate(told))


@both
def test_gradients_reach_every_parameter(make: Make) -> None:
    model, given, ids = make().double().train(), source(), inputs()
    (model(given, ids) * torch.randn(3, OUT_LEN, TARGETS).double()).sum().backward()
    for name, value in model.named_parameters():
        assert value.grad is not None, name
        assert value.grad.isfinite().all(), name
        assert name.endswith("attention.key.bias") or value.grad.abs().max() > 1e-12, name


@both
def test_state_round_trip_dropout_and_training_mode(make: Make) -> None:
    first, other, given, ids = make(0.5), make(0.5), source(), inputs()
    names = list(first.state_dict())
    assert "decoder.embedding.table" in names
    assert not any("head" in name and "table" in name for name in names)  # tied: saved once
    assert not torch.equal(first(given, ids), other(given, ids))
    other.load_state_dict(first.state_dict())
    assert torch.equal(first(given, ids), other(given, ids))
    first.train()
    assert not torch.equal(first(given, ids), first(given, ids))
    with pytest.raises(SpecError, match=r"call model\.eval\(\) first"):
        greedy(first, given, Limits(longest=3, end=END))


@both
@torch.no_grad()
def test_bfloat16_and_short_lengths(make: Make) -> None:
    model, given = make().bfloat16(), source()
    logits = model(given, inputs())
    assert (logits.dtype, bool(logits.isfinite().all())) == (torch.bfloat16, True)
    found = beam_search(model, given, Limits(longest=4, end=END), width=2)
    assert len(found) == 3
    model = model.float()
    assert model(given, inputs(3, 1)).shape == (3, 1, TARGETS)
    assert model(given, inputs(3, 1)[:, :0]).shape == (3, 0, TARGETS)
    assert greedy(model, (given[0][:0], LENGTHS[:0]), Limits(longest=4, end=END)) == []
    assert model(given, inputs())[1].isfinite().all()  # a source of one token


@both
@torch.no_grad()
def test_an_empty_source_is_refused_by_name(make: Make) -> None:
    model, limits = make(), Limits(longest=4, end=END)
    given = source(torch.tensor([5, 0, 3]))
    for decode in (
        lambda: greedy(model, given, limits),
        lambda: beam_search(model, given, limits, width=2),
        lambda: sample(model, given, limits, Sampling()),
    ):
        with pytest.raises(SpecError, match="source 1 of the batch has no token"):
            decode()
    assert model(given, inputs()).isfinite().all()  # in training it reads as nothing
    assert model((given[0][:, :0], None), inputs()).isfinite().all()


@both
@torch.no_grad()
def test_who_watches_sees_where_it_looked_and_changes_nothing(make: Make) -> None:
    model, given, ids = make(), source(), inputs()
    alone = model(given, ids)
    with watch(model) as seen:
        assert torch.equal(model(given, ids), alone)
    layers = {layer.name: layer for layer in seen.trace().layers if layer.kind == "cross"}
    name = "decoder.attention" if "decoder.attention" in layers else "decoder.decoder.blocks.1.context_attention"
    weights = model.alignment(given, ids)
    received = layers[name].received.mean(1)
    torch.testing.assert_close(received, weights.sum(1), rtol=1e-4, atol=1e-5)
    limits = Limits(longest=4)
    plain = greedy(model, given, limits)
    with watch(model) as seen:
        assert greedy(model, given, limits) == plain
    assert any(layer.kind == "cross" for layer in seen.trace().layers)


def test_what_does_not_fit() -> None:
    model, given = transformer(), source()
    with pytest.raises(ShapeError, match="inputs of 2 items for 3 sources"):
        model(given, inputs(2))
    with pytest.raises(SpecError, match="a source is a tuple"):
        model(given[0], inputs())
    with pytest.raises(ShapeError, match=r"expected \(batch, source_len, dim\)"):
        Context.of(torch.zeros(3, 4))
    target, head = TokenEmbedding(TARGETS, DIM), NextToken(DIM, TARGETS)
    with pytest.raises(SpecError, match="build it with context_dim="):
        TransformerDecoder(target, Decoder(DIM, HEADS, layers=1), head, begin=BEGIN)
    with pytest.raises(ShapeError, match=r"of sizes \(12, 12, 6\)"):
        TransformerDecoder(target, Decoder(DIM, HEADS, layers=1), NextToken(6, TARGETS), begin=BEGIN)
    assert model.inputs(torch.tensor([[5, 6, END]])).tolist() == [[BEGIN, 5, 6]]
    assert model.inputs(torch.zeros(2, 0, dtype=torch.int64)).shape == (2, 0)
    assert math.prod(model.read(given).tokens.shape) == 3 * SOURCE_LEN * DIM
