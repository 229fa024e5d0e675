"""Spans: pointers by their formulas, and the best pair against all pairs."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from regard.nn.heads import AdditivePointer, DotPointer, Spans, SpanScores, best_spans, span_loss
from regard.spec import ShapeError, SpecError

BATCH, LENGTH, DIM, ASKING = 3, 7, 5, 2


def pointers(kind: type[nn.Module], asking: int | None) -> Spans:
    return Spans(DIM, start=kind(DIM, asking), end=kind(DIM, asking))


def logs(*rows: list[float]) -> torch.Tensor:
    return torch.tensor(rows).log()


def test_two_tokens_by_the_formulas() -> None:
    x, asking = torch.tensor([[[1.0, 2.0], [0.0, -1.0]]]), torch.tensor([[3.0]])
    dot, asked = DotPointer(2), DotPointer(2, 1)
    additive, told = AdditivePointer(2, hidden=1), AdditivePointer(2, 1, hidden=1)
    with torch.no_grad():
        dot.query.weight.copy_(torch.tensor([[2.0, 1.0]]))
        asked.query.weight.copy_(torch.tensor([[1.0], [0.5]]))
        for pointer in (additive, told):
            pointer.key.weight.copy_(torch.tensor([[1.0, 1.0]]))
            pointer.key.bias.fill_(0.5)
            pointer.vector.fill_(2.0)
        told.query.weight.fill_(0.1)
    assert dot(x).tolist() == [[4.0, -1.0]]
    assert asked(x, asking)[0].tolist() == pytest.approx([6 / math.sqrt(2), -1.5 / math.sqrt(2)])
    assert additive(x)[0].tolist() == pytest.approx([2 * math.tanh(3.5), 2 * math.tanh(-0.5)])
    assert told(x, asking)[0].tolist() == pytest.approx([2 * math.tanh(3.8), 2 * math.tanh(-0.2)])


@pytest.mark.parametrize("asking", [None, ASKING])
@pytest.mark.parametrize("kind", [DotPointer, AdditivePointer])
def test_probabilities_are_of_what_is_there(kind: type[nn.Module], asking: int | None) -> None:
    head, x = pointers(kind, asking), torch.randn(BATCH, LENGTH, DIM)
    present = torch.tensor([[0, 1, 1, 0, 1, 1, 0], [1] * 7, [0, 0, 0, 0, 0, 1, 0]]).bool()
    x[~present] = torch.nan
    given = {"asking": torch.randn(BATCH, ASKING)} if asking else {}
    scores = head(x, present, **given)
    for side in (scores.start, scores.end):
        torch.testing.assert_close(side.exp().sum(-1), torch.ones(BATCH))
        assert torch.isneginf(side[~present]).all()
    assert scores.start[2, 5].item() == 0.0
    assert not torch.equal(scores.start, scores.end)
    loss = span_loss(scores, torch.tensor([1, 0, 5]), torch.tensor([2, 6, 5]))
    want = [scores.start[0, 1] + scores.end[0, 2], scores.start[1, 0] + scores.end[1, 6], torch.tensor(0.0)]
    assert loss.item() == pytest.approx(-sum(part.item() for part in want) / 6)
    loss.backward()
    assert all(value.grad is not None and value.grad.isfinite().all() for value in head.parameters())


def test_the_best_pair_is_no_pair_of_bests() -> None:
    # the likeliest end, token 0, lies before the likeliest start, token 2
    scores = SpanScores(logs([0.3, 0.1, 0.6]), logs([0.5, 0.3, 0.2]))
    found = best_spans(scores, longest=3, most=6)
    assert found.starts.tolist() == [[0, 2, 0, 0, 1, 1]]
    assert found.ends.tolist() == [[0, 2, 1, 2, 1, 2]]
    assert found.scores.exp()[0].tolist() == pytest.approx([0.15, 0.12, 0.09, 0.06, 0.03, 0.02])
    short = best_spans(scores, longest=1, most=5)
    assert short.starts.tolist() == [[0, 2, 1, -1, -1]]
    assert short.ends.tolist() == [[0, 2, 1, -1, -1]]
    assert short.scores[0, 3:].tolist() == [-math.inf] * 2


@given(seed=st.integers(0, 999), length=st.integers(1, 9), longest=st.integers(1, 11), most=st.integers(1, 9))
def test_the_best_spans_are_the_best_of_all_pairs(seed: int, length: int, longest: int, most: int) -> None:
    source = torch.Generator().manual_seed(seed)
    there = torch.rand(2, length, generator=source) < 0.7
    start, end = (torch.randn(2, length, generator=source).masked_fill(~there, -torch.inf) for _ in range(2))
    found = best_spans(SpanScores(start, end), longest=longest, most=most)
    for item in range(2):
        pairs = [(s, e) for s, e in itertools.product(range(length), repeat=2) if s <= e < s + longest]
        pairs = [(s, e) for s, e in pairs if there[item, s] and there[item, e]]
        want = sorted(pairs, key=lambda pair: -float(start[item, pair[0]] + end[item, pair[1]]))[:most]
        ours = list(zip(found.starts[item].tolist(), found.ends[item].tolist(), strict=True))
        assert ours == want + [(-1, -1)] * (most - len(want))


def test_nothing_there() -> None:
    head = Spans(DIM)
    scores = head(torch.randn(BATCH, LENGTH, DIM), torch.tensor([7, 0, 2]))
    found = best_spans(scores, longest=2)
    assert (found.starts[1].item(), found.ends[1].item(), found.scores[1].item()) == (-1, -1, -math.inf)
    empty = head(torch.zeros(2, 0, DIM))
    assert best_spans(empty, longest=2).starts.tolist() == [[-1], [-1]]
    assert span_loss(head(torch.zeros(0, LENGTH, DIM)), *(torch.zeros(0).long(),) * 2).item() == 0.0
    assert head.bfloat16()(torch.zeros(1, 3, DIM).bfloat16()).start.dtype == torch.float32


def test_answers_and_arguments_that_do_not_fit() -> None:
    head = Spans(DIM)
    scores = head(torch.zeros(BATCH, LENGTH, DIM), torch.tensor([7, 3, 2]))
    zeros = torch.zeros(BATCH).long()
    for starts, ends in (([0, 0, 0], [0, 4, 0]), ([0, 2, 0], [0, 1, 0]), ([0, -1, 0], [0, 1, 0]), ([0] * 3, [0, 7, 0])):
        with pytest.raises(SpecError, match=r"the answer of item 1, tokens .* lies where no answer may be"):
            span_loss(scores, torch.tensor(starts), torch.tensor(ends))
    for wrong in (zeros[:2], zeros.float(), zeros[:, None]):
        with pytest.raises(ShapeError, match="span_loss: starts"):
            span_loss(scores, wrong, wrong)
    with pytest.raises(SpecError, match="longest=0"):
        best_spans(scores, longest=0)
    with pytest.raises(ShapeError, match="best_spans"):
        best_spans(SpanScores(scores.start, scores.end[:, 1:]), longest=1)
    with pytest.raises(SpecError, match="built without asking_dim=: it takes no asking vector"):
        head(torch.zeros(BATCH, LENGTH, DIM), asking=torch.zeros(BATCH, 2))
    told = pointers(AdditivePointer, ASKING)
    with pytest.raises(SpecError, match="built with asking_dim=2, and needs asking="):
        told(torch.zeros(BATCH, LENGTH, DIM))
    with pytest.raises(ShapeError, match=r"asking \(3, 4\), expected \(3, 2\)"):
        told(torch.zeros(BATCH, LENGTH, DIM), asking=torch.zeros(BATCH, 4))


def test_state_round_trip() -> None:
    x, asking = torch.randn(BATCH, LENGTH, DIM), torch.randn(BATCH, ASKING)
    for kind in (DotPointer, AdditivePointer):
        first, other = pointers(kind, ASKING), pointers(kind, ASKING)
        other.load_state_dict(first.state_dict())
        assert torch.equal(first(x, asking=asking).start, other(x, asking=asking).start)
