"""A language model decoded step by step: what every decoding finds, against full passes over every continuation."""

from __future__ import annotations

import math

import pytest
import torch
from tests.nn.decoding.toys import Toy, every_output
from torch import Tensor

from regard.nn import Decoder, TokenEmbedding
from regard.nn.decoding import LanguageModel, Limits, Sampling, beam_search, greedy, sample
from regard.nn.heads import NextToken
from regard.spec import Documents, Rotary, ShapeError, Window

VOCAB, DIM, END = 4, 12, 3


def model(window: Window | None = None) -> LanguageModel:
    embedding = TokenEmbedding(VOCAB, DIM)
    decoder, head = Decoder(DIM, 2, layers=2, rotary=Rotary()), NextToken(DIM, VOCAB, tied=embedding)
    return LanguageModel(embedding, decoder, head, window=window).double().eval()


def passes(model: LanguageModel, prompts: Tensor) -> Toy:
    """The same model as a table: a full pass for every continuation; source i continues prompt i."""

    @torch.no_grad()
    def chances(source: int, written: tuple[int, ...]) -> Tensor:
        ids = torch.tensor([[*prompts[source].tolist(), *written]])
        return model(ids)[0, -1]

    return Toy(chances)


@pytest.mark.parametrize("window", [None, Window(2, 0)])
def test_every_decoding_finds_what_full_passes_find(window: Window | None) -> None:
    steps, prompts = model(window), torch.tensor([[0, 1, 2, 1], [2, 2, 0, 1]])
    toy, limits = passes(steps, prompts), Limits(longest=4, end=END)
    wide = beam_search(steps, prompts, limits, width=200, most=3)
    for item, best in enumerate(wide):
        truth = every_output(toy, item, limits, 0.6)[:3]
        assert [output.ids for output in best] == [output.ids for output in truth]
        assert [output.score for output in best] == pytest.approx([output.score for output in truth], abs=1e-9)
    for width in (1, 2, 5):
        found, slow = (
            beam_search(each, given, limits, width=width) for each, given in ((steps, prompts), (toy, [0, 1]))
        )
        assert [output.ids for (output,) in found] == [output.ids for (output,) in slow]
    assert [o.ids for o in greedy(steps, prompts, limits)] == [o.ids for o in greedy(toy, [0, 1], limits)]
    drawn = [
        sample(each, given, limits, Sampling(), generator=torch.Generator().manual_seed(1), each=2)
        for each, given in ((steps, prompts), (toy, [0, 1]))
    ]
    assert [[o.ids for o in outputs] for outputs in drawn[0]] == [[o.ids for o in outputs] for outputs in drawn[1]]


def test_a_prompt_of_one_token_is_fed_to_the_first_step() -> None:
    steps = model()
    state = steps.start(torch.tensor([[2]]))
    assert (state.first.tolist(), state.seen) == ([2], 0)
    logits = steps.step(state, state.first)
    torch.testing.assert_close(logits[0], passes(steps, torch.tensor([[2]])).chances(0, ()))
    assert state.seen == 1


def test_half_precision_is_scored_in_float32() -> None:
    steps = model().bfloat16()
    (found,) = beam_search(steps, torch.tensor([[0, 1]]), Limits(longest=5, end=END), width=3, most=3)
    assert all(math.isfinite(output.score) for output in found)
    assert found[0].score >= found[-1].score


def test_it_never_looks_ahead_nor_into_another_document() -> None:
    packed, lengths = torch.tensor([[0, 1, 2, 1, 0, 2, 2]]), [4, 3]
    for steps in (model(), model(Window(1, 0))):
        whole = steps(packed, mask=Documents.packed(lengths))
        for part in (slice(0, 4), slice(4, 7)):
            torch.testing.assert_close(whole[:, part], steps(packed[:, part]))
        torch.testing.assert_close(whole[:, :2], steps(packed[:, :2]))
        assert not torch.allclose(whole, steps(packed))


def test_gradients_reach_every_parameter_and_the_state_is_saved_once() -> None:
    steps, ids = model(Window(2, 0)).train(), torch.randint(VOCAB, (2, 7))
    (steps(ids) * torch.randn(2, 7, VOCAB).double()).sum().backward()
    for name, value in steps.named_parameters():
        assert value.grad is not None, name
        assert name.endswith("attention.key.bias") or value.grad.abs().max() > 1e-12, name
    other = model(Window(2, 0))
    assert [name for name in other.state_dict() if "table" in name] == ["embedding.table"]
    other.load_state_dict(steps.state_dict())
    assert torch.equal(other(ids), steps.eval()(ids))
    assert steps(ids[:, :0]).shape == (2, 0, VOCAB)


def test_parts_of_different_sizes() -> None:
    embedding, head = TokenEmbedding(VOCAB, DIM), NextToken(DIM, VOCAB)
    with pytest.raises(ShapeError, match=r"of sizes \(12, 6, 12\)"):
        LanguageModel(embedding, Decoder(6, 2, layers=1), head)
