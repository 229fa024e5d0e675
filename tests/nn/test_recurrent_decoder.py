"""RecurrentDecoder: the paper's formulas once more, coverage, and what is refused."""

from __future__ import annotations

import pytest
import torch
from tests.nn.decoding.models import BEGIN, END, inputs, recurrent, source

from regard.engine.seams import reach
from regard.nn import Coverage, TokenEmbedding, attention_loss
from regard.nn.decoding import Context, Limits, alignment, greedy
from regard.nn.heads import NextToken, token_loss
from regard.nn.recurrent_decoder import RecurrentDecoder
from regard.spec import Learned, ShapeError, SpecError

DIM, SOURCE, HIDDEN, VOCAB = 3, 4, 5, 7


def decoder(**given: object) -> RecurrentDecoder:
    embedding = TokenEmbedding(VOCAB, DIM)
    sizes = {"context_dim": SOURCE, "hidden": HIDDEN, "begin": BEGIN, **given}
    return RecurrentDecoder(embedding, NextToken(DIM, VOCAB), **sizes).double().eval()  # type: ignore[arg-type]


def test_two_steps_by_the_formulas() -> None:
    model, ids = decoder(attention=2), torch.tensor([[BEGIN, 4]])
    source = torch.randn(1, 3, SOURCE, dtype=torch.float64)
    a, cell = model.attention, model.cell
    state = torch.tanh(model.begun.weight @ source[0, 0] + model.begun.bias)
    rows = []
    for token in ids[0]:
        told = model.embedding.table[token]
        scores = [a.vector @ torch.tanh(a.query.weight @ state + a.key.weight @ h + a.key.bias) for h in source[0]]
        weights = torch.stack(scores).softmax(-1)
        read = sum(weight * h for weight, h in zip(weights, source[0], strict=True))
        state = cell(torch.cat((told, read))[None], state[None])[0]
        paired = model.readout.weight @ torch.cat((state, told, read)) + model.readout.bias
        logits = model.head.table @ paired.view(DIM, 2).amax(-1) + model.head.offset
        rows.append((logits, weights))
    context = Context.of(source)
    torch.testing.assert_close(model(context, ids)[0], torch.stack([logits for logits, _ in rows]))
    torch.testing.assert_close(model.alignment(context, ids)[0], torch.stack([weights for _, weights in rows]))


def test_gradients_are_right_with_padding_and_an_empty_source() -> None:
    model = decoder()
    tokens = torch.randn(3, 4, SOURCE, dtype=torch.float64, requires_grad=True)
    lengths, ids = torch.tensor([4, 2, 0]), torch.randint(VOCAB, (3, 3))
    names, values = zip(*model.named_parameters(), strict=True)

    def run(tokens: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        given = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(model, given, (Context.of(tokens, lengths), ids))

    assert torch.autograd.gradcheck(run, (tokens, *values), fast_mode=True)
    run(tokens, *values).sum().backward()
    assert tokens.grad is not None
    assert not tokens.grad[1, 2:].any()
    assert not tokens.grad[2].any()


def test_holes_in_the_source_are_not_read() -> None:
    model = decoder()
    tokens, ids = torch.randn(1, 5, SOURCE, dtype=torch.float64), torch.randint(VOCAB, (1, 3))
    present = torch.tensor([[False, True, False, True, True]])
    tokens[0, 0] = torch.nan
    context = Context.of(tokens, present)
    torch.testing.assert_close(model(context, ids), model(Context.of(tokens[:, present[0]]), ids))
    assert not model.alignment(context, ids)[0][:, ~present[0]].any()


def test_coverage_is_of_all_steps_and_can_be_trained() -> None:
    model, given, ids = recurrent(), source(torch.tensor([5, 5, 5])), inputs(3, 6)
    with attention_loss(model, Coverage()) as collected:
        logits = model(given, ids)
    assert [name for name, _ in collected.losses] == ["decoder.attention"]
    weights = model.alignment(given, ids)
    want = ((weights.sum(1) / (6 / 5) - 1) ** 2).mean().item()
    assert collected.mean().item() == pytest.approx(want, rel=1e-4)
    (0.0 * logits.sum() + collected.mean()).backward()
    assert model.decoder.attention.vector.grad.abs().max() > 0
    optimizer = torch.optim.Adam(model.parameters(), 0.05)
    for _ in range(25):
        with attention_loss(model, Coverage()) as collected:
            model(given, ids)
        optimizer.zero_grad()
        collected.mean().backward()
        optimizer.step()
    assert collected.mean().item() < want / 5


def backwards(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(sources, lengths, the same backwards and the end symbol): ids 3 to 10, 1 to 5 of them."""
    lengths, ids = torch.randint(1, 6, (count,)), torch.randint(3, 11, (count, 5))
    mirror = lengths[:, None] - 1 - torch.arange(6)
    targets = ids.gather(1, mirror.clamp_min(0)[:, :6]).masked_fill(mirror < 0, 0)
    return ids.masked_fill(torch.arange(5) >= lengths[:, None], 0), lengths, targets.masked_fill(mirror == -1, END)


def test_it_learns_to_write_backwards_and_the_alignment_shows_it() -> None:
    model = recurrent().train()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(160):
        ids, lengths, targets = backwards(48)
        loss = token_loss(model((ids, lengths), model.inputs(targets)), targets, lengths + 1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    ids, lengths, targets = backwards(30)
    outputs = greedy(model.eval(), (ids, lengths), Limits(longest=7, end=END))
    right = [list(o.ids) == targets[item, : lengths[item]].tolist() for item, o in enumerate(outputs)]
    assert sum(right) >= 28
    looked = alignment(model, (ids, lengths), outputs).argmax(-1)
    mirrored = lengths[:, None] - 1 - torch.arange(looked.shape[1])
    there = mirrored >= 0
    assert (looked == mirrored)[there].float().mean() > 0.75  # neighbours tell of each other: not every one of them


@torch.no_grad()
def test_being_watched_changes_nothing_and_is_told_the_steps() -> None:
    model, given, ids, told = recurrent(), source(), inputs(3, 6), []
    alone = model(given, ids)
    with reach(model, lambda reached: told.append(reached) or reached.compute()):
        assert torch.equal(model(given, ids), alone)
    (call,) = told
    assert (call.name, call.kind, call.request.query.shape[2]) == ("decoder.attention", "cross", 6)


def test_what_does_not_fit() -> None:
    embedding, head = TokenEmbedding(VOCAB, DIM), NextToken(DIM, VOCAB)
    sizes = {"context_dim": SOURCE, "hidden": HIDDEN, "begin": BEGIN}
    with pytest.raises(SpecError, match="needs no positions"):
        RecurrentDecoder(TokenEmbedding(VOCAB, DIM, positions=Learned(9)), head, **sizes)
    with pytest.raises(ShapeError, match="the head takes vectors of 4, the embedding gives 3"):
        RecurrentDecoder(embedding, NextToken(4, VOCAB), **sizes)
    with pytest.raises(SpecError, match="hidden=0"):
        RecurrentDecoder(embedding, head, **{**sizes, "hidden": 0})
    model = decoder()
    with pytest.raises(ShapeError, match=r"expected \(batch, len, 4\)"):
        model(Context.of(torch.zeros(1, 2, 5)), torch.zeros(1, 1, dtype=torch.int64))
    with pytest.raises(ShapeError, match="inputs of 2 items for 1 sources"):
        model(Context.of(torch.zeros(1, 2, SOURCE).double()), torch.zeros(2, 1, dtype=torch.int64))
