"""The sketch of what was let go: means of just those values, codes that stand for the middle of their step."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.allocate.slow_past import Text, truth
from torch import Tensor

from regard.allocate.past import Past, _room
from regard.allocate.periphery import Periphery
from regard.spec.errors import SpecError
from regard.spec.request import Request, request
from regard.spec.score import ScaledDot


def drawn(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def plain(grain: int, heads: int = 1, batch: int = 1, value_dim: int = 1) -> Past:
    """Keys of two numbers, which are their own directions, in steps of 1; nothing is in it."""
    both = torch.eye(2).bfloat16().expand(heads, 2, 2)
    return Past(Periphery(4, grain), both, both, *_room(batch, heads, 2, 2 + value_dim, grain, 0, torch.device("cpu")))


def asked(query: Tensor, value_dim: int = 1, heads: int = 1) -> Request:
    """New keys do not matter here."""
    new = query.new_zeros(query.shape[0], heads, query.shape[2], value_dim)
    return request(query, query[:, :heads], new, score=ScaledDot(1.0))


def test_the_mean_of_a_block_is_of_what_was_let_go() -> None:
    past = plain(grain=4)
    past.follow(torch.zeros(1, 1, 4, 2), None)
    places, value = torch.arange(4).view(1, 1, 4), torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 1, 4, 1)
    assert past.empty
    past.let_go([0], places, value, torch.tensor([True, False, True, True]).view(1, 1, 4))
    assert not past.empty
    assert past.means[0, 0, 0, 2].item() == pytest.approx((1 + 3 + 4) / 3, rel=1e-3)
    assert past.gone.tolist() == [[[3]]]
    past.let_go([0], places[:, :, 1:2], value[:, :, 1:2], torch.ones(1, 1, 1, dtype=torch.bool))
    assert past.means[0, 0, 0, 2].item() == pytest.approx(2.5, rel=1e-3)
    assert past.gone.tolist() == [[[4]]]


def test_codes_stand_for_the_middle_of_their_step() -> None:
    """Two keys about their mean (10, 20): numbers -1.2 and 0.3 are -1.5 and 0.5, what lies beyond is the last step."""
    past = plain(grain=2)
    keys = torch.tensor([[-1.2, 0.3], [1.2, -0.3], [-99.0, 0.0], [99.0, 0.0]]) + torch.tensor([10.0, 20.0])
    past.follow(keys.view(1, 1, 4, 2), None)
    past.let_go([0], torch.arange(4).view(1, 1, 4), torch.zeros(1, 1, 4, 1), torch.ones(1, 1, 4, dtype=torch.bool))
    scores = past._scores(torch.eye(2).view(1, 2, 2))
    assert scores[0, 0].tolist() == [10 - 1.5, 10 + 1.5, 10 - 7.5, 10 + 7.5]
    assert scores[0, 1].tolist() == [20 + 0.5, 20 - 0.5, 20 + 0.5, 20 + 0.5]
    assert past.codes.tolist() == [[[[6 << 4 | 8, 9 << 4 | 7, 0 << 4 | 8, 15 << 4 | 8]]]]


def test_attention_over_what_was_let_go() -> None:
    """Keys about (0, 0), steps of 1: for the query (ln 3, 0) the scores are -+ ln 3 / 2, so that the weights are 1 to
    3; both keys are gone and share their mean value; of the second block only the key that is worth 7 is gone."""
    past = plain(grain=2)
    past.follow(torch.tensor([[-0.5, 0.5], [0.5, 0.5]] * 2).view(1, 1, 4, 2), None)
    value = torch.tensor([2.0, 4.0, 7.0, 100.0]).view(1, 1, 4, 1)
    going = torch.tensor([True, True, True, False]).view(1, 1, 4)
    past.let_go([0], torch.arange(4).view(1, 1, 4), value, going)
    query = torch.tensor([torch.tensor(3.0).log().item(), 0.0]).view(1, 1, 1, 2)
    output, lse = past.looked(asked(query), [([0], torch.tensor([3]).view(1, 1, 1))])
    low, high = 3**-0.5, 3**0.5
    assert lse.item() == pytest.approx(torch.tensor(low + high + low).log().item(), abs=1e-5)
    assert output.item() == pytest.approx(((low + high) * 3 + low * 7) / (low + high + low), rel=1e-3)


def test_where_nothing_is_looked_at() -> None:
    past = plain(grain=2)
    past.follow(torch.zeros(1, 1, 2, 2), None)
    output, lse = past.looked(asked(torch.zeros(1, 1, 3, 2)), [([0], torch.tensor([0, 1]).view(1, 1, 2))])
    assert output.tolist() == [[[[0.0]] * 3]]
    assert lse.tolist() == [[[-torch.inf] * 3]]


def test_padding_is_in_no_mean_and_never_looked_at() -> None:
    past = plain(grain=2)
    real = torch.tensor([[False, False, False, True, True, True]])
    keys = torch.tensor([[9e9, 9e9]] * 3 + [[2.0, 0.0], [1.0, 0.0], [3.0, 0.0]]).view(1, 1, 6, 2)
    past.follow(keys[:, :, :2], real[:, :2])
    past.follow(keys[:, :, 2:], real[:, 2:])
    assert past.means[0, 0, :, 0].tolist() == [0.0, 2.0, 2.0]
    value = torch.tensor([5.0, 5.0, 5.0, 1.0, 2.0, 3.0]).view(1, 1, 6, 1)
    past.let_go([0], torch.arange(6).view(1, 1, 6), value, real[:, None])
    output, lse = past.looked(asked(torch.zeros(1, 1, 1, 2)), [])
    assert output.item() == pytest.approx((1 + 2 + 3) / 3, rel=1e-3)
    assert lse.item() == pytest.approx(torch.tensor(3.0).log().item())


def test_padding_that_ends_is_remembered() -> None:
    past = plain(grain=2)
    past.follow(torch.zeros(1, 1, 2, 2), torch.tensor([[False, True]]))
    past.follow(torch.zeros(1, 1, 2, 2), None)
    assert past.real is not None
    assert past.real[:, :4].tolist() == [[False, True, True, True]]
    later = plain(grain=2)
    later.follow(torch.zeros(1, 1, 2, 2), torch.ones(1, 2, dtype=torch.bool))
    assert later.real is None  # nothing was padding


@pytest.mark.parametrize("cap", [None, 2.0])
@pytest.mark.parametrize("grain", [3, 7])
def test_what_is_learnt_from_a_prompt(grain: int, cap: float | None) -> None:
    """Against float64: 2 items, 3 key heads of 11, 2 query heads to each; 5 queries see 29 keys through the sketch."""
    key, value = drawn(2, 3, 29, 11, seed=1), drawn(2, 3, 29, 5, seed=2)
    query = drawn(2, 6, 29, 11, seed=3)
    past = Past.learnt(Periphery(2, grain), key, 5, query, None)
    whole = 29 // grain * grain
    past.follow(key[:, :, :whole], None)
    held = torch.rand(2, 3, 29, generator=torch.Generator().manual_seed(4)) < 0.2
    held[:, :, whole:] = True
    places = torch.arange(29).expand(2, 3, 29)
    past.let_go([0, 2], places[:, [0, 2]], value[:, [0, 2]], ~held[:, [0, 2]])
    past.let_go([1], places[:, [1]], value[:, [1]], ~held[:, [1]])
    those = [([head], _places(held[:, head])[:, None]) for head in range(3)]
    new = request(query[:, :, :5], key[:, :, :5], value[:, :, :5], score=ScaledDot(0.3, softcap=cap))
    output, lse = past.looked(new, those)
    only = Text(key, value, torch.ones(2, 29, dtype=torch.bool), held)
    mean, numbers = only.sketched(past)
    grouped = query[:, :, :5].double().unflatten(1, (3, 2))
    scores = grouped @ mean[:, :, None].mT + grouped @ past.queries.double()[:, None] @ numbers[:, :, None].mT
    scores = scores * 0.3 if cap is None else cap * (scores * 0.3 / cap).tanh()
    scores = scores.masked_fill(held[:, :, None, None, :whole], -torch.inf)
    torch.testing.assert_close(lse.double(), scores.logsumexp(-1).flatten(1, 2), rtol=1e-5, atol=1e-5)
    expected = scores.softmax(-1) @ only.stand_ins(past)[:, :, None, :whole]
    torch.testing.assert_close(output.double(), expected.flatten(1, 2), rtol=2e-3, atol=2e-3)


def _places(held: Tensor) -> Tensor:
    """(batch, most): where each item is held; an item of fewer names its last one again."""
    rows = [row.nonzero()[:, 0] for row in held]
    most = max(map(len, rows))
    return torch.stack([torch.cat((row, row[-1:].expand(most - len(row)))) for row in rows])


def test_the_directions_that_queries_ask_in_come_first() -> None:
    """Keys differ ten times as much in one direction, but no query asks in it."""
    key, query = drawn(1, 1, 64, 4, seed=1) * torch.tensor([10.0, 1, 1, 1]), drawn(1, 1, 64, 4, seed=2)
    query[..., 0] = 0
    asking = Past.learnt(Periphery(1, 4), key, 3, query, None)  # one bit of four dimensions: the least, two directions
    without = Past.learnt(Periphery(1, 4), key, 3, None, None)
    assert asking.keys.shape == (1, 4, 2)
    assert asking.keys[0, 0].abs().max() < 0.1 * asking.keys[0, 1:].abs().max()
    assert without.keys[0, 0].abs().max() > without.keys[0, 1:].abs().max() / 10
    assert without.queries[0, 0].abs().max() > without.queries[0, 1:].abs().max()


def test_directions_are_not_learnt_from_padding() -> None:
    key, query = drawn(2, 1, 24, 5, seed=1), drawn(2, 2, 24, 5, seed=2)
    real = torch.arange(24) >= torch.tensor([[0], [8]])
    spoilt = key.masked_fill(~real[:, None, :, None], 1e4)
    strange = query.masked_fill(~real[:, None, :, None], -1e4)
    found = Past.learnt(Periphery(2, 4), key, 3, query, real)
    again = Past.learnt(Periphery(2, 4), spoilt, 3, strange, real)
    assert torch.equal(found.keys, again.keys)
    assert torch.equal(found.queries, again.queries)


def test_directions_are_not_learnt_from_the_first_block() -> None:
    """Its keys are often unlike all others; but where there is no other, it is what there is."""
    key = drawn(1, 1, 24, 5, seed=1)
    strange = key.clone()
    strange[:, :, :4] *= 100
    found, again = (Past.learnt(Periphery(2, 4), each, 3, None, None) for each in (key, strange))
    assert torch.equal(found.keys, again.keys)
    alone = Past.learnt(Periphery(2, 4), strange[:, :, :7], 3, None, None)
    assert alone.keys.abs().max() < found.keys.abs().max() / 10


def test_a_text_that_is_padding_so_far() -> None:
    key = drawn(1, 1, 8, 4, seed=1)
    past = Past.learnt(Periphery(1, 4), key, 3, key, torch.zeros(1, 8, dtype=torch.bool))
    past.follow(key, torch.zeros(1, 8, dtype=torch.bool))
    past.follow(key, None)
    assert past.keys.isfinite().all()
    assert past._scores(key[:, 0]).isfinite().all()


def test_numbers_that_are_not_finite() -> None:
    key, every = drawn(1, 1, 8, 4, seed=1), torch.ones(1, 1, 8, dtype=torch.bool)
    past = Past.learnt(Periphery(1, 4), key, 4, None, None)
    past.follow(key, None)
    key[0, 0, 5, 2] = torch.nan
    with pytest.raises(SpecError, match="is not finite"):
        Past.learnt(Periphery(1, 4), key, 4, None, None)
    with pytest.raises(SpecError, match="is not finite"):
        past.follow(key, None)
    with pytest.raises(SpecError, match="is not finite"):
        past.let_go([0], torch.arange(8).view(1, 1, 8), key, every)


def test_memory_as_allocated() -> None:
    """For each of 2 x 3 heads: 2 directions for 8 dimensions, so that a key takes a byte; a block of 4 has 8 + 5
    numbers of 2 bytes and a count of 4. Room grows by an eighth, in whole blocks."""
    key = drawn(2, 3, 64, 8, seed=1)
    past = Past.learnt(Periphery(1, 4), key, 5, None, None)
    maps = 2 * 3 * 8 * 2 * 2
    assert past.bytes == maps
    past.follow(key, None)
    assert past.bytes == maps + 6 * (64 + 16 * (13 * 2 + 4))
    past.follow(key[:, :, :4], None)
    assert past.codes.shape[3] == 72
    assert past.bytes == maps + 6 * (72 + 18 * (13 * 2 + 4))
    assert past.length == 68


def test_blocks_that_come_one_by_one_are_as_those_that_come_together() -> None:
    key, value = drawn(1, 2, 40, 6, seed=1), drawn(1, 2, 40, 3, seed=2)
    going = torch.ones(1, 2, 40, dtype=torch.bool)
    places = torch.arange(40).expand(1, 2, 40)
    whole = Past.learnt(Periphery(2, 4), key, 3, None, None)
    whole.follow(key, None)
    whole.let_go([0, 1], places, value, going)
    pieces = Past.learnt(Periphery(2, 4), key, 3, None, None)
    for start in range(0, 40, 4):
        some = slice(start, start + 4)
        pieces.follow(key[:, :, some], None)
        pieces.let_go([0, 1], places[:, :, some], value[:, :, some], going[:, :, some])
    assert torch.equal(pieces.codes[..., :40], whole.codes[..., :40])
    assert torch.equal(pieces.means[:, :, :10], whole.means[:, :, :10])


def test_in_small_pieces_it_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Queries in tiles of one, codes widened and keys sketched four at a time."""
    key, query = drawn(2, 2, 24, 6, seed=1), drawn(2, 4, 7, 6, seed=2)
    found = []
    for scratch, chunk in ((1 << 22, 1 << 12), (1, 4)):
        monkeypatch.setattr("regard.allocate.past.SCRATCH", scratch)
        monkeypatch.setattr("regard.allocate.past.CHUNK", chunk)
        past = Past.learnt(Periphery(2, 3), key, 6, query, None)
        past.follow(key, None)
        going = torch.ones(2, 2, 24, dtype=torch.bool)
        past.let_go([0, 1], torch.arange(24).expand(2, 2, 24), key, going)
        found.append(past.looked(request(query, query[:, :2], query[:, :2]), []))
    torch.testing.assert_close(found[0], found[1])


def test_a_copy_that_was_made_in_inference_mode_takes_more() -> None:
    past = plain(grain=2)
    past.follow(torch.zeros(1, 1, 4, 2), None)
    with torch.inference_mode():
        copied = copy.deepcopy(past)
    assert copied.codes.is_inference()
    value = torch.tensor([1.0, 3.0]).view(1, 1, 2, 1)
    copied.let_go([0], torch.arange(2).view(1, 1, 2), value, torch.ones(1, 1, 2, dtype=torch.bool))
    assert copied.means[0, 0, :, 2].tolist() == [2.0, 0.0]
    assert past.empty


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_queries_that_judge_all_alike_get_the_mean_of_all_values(data: st.DataObject) -> None:
    """Whatever was let go, in whichever order: scores of 0, each key gone by its block's mean, is the mean of them."""
    grain, blocks, heads = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 4)), data.draw(st.integers(1, 2))
    count = grain * blocks
    real = torch.tensor(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))[None]
    value = torch.tensor(data.draw(st.lists(st.integers(-8, 8), min_size=count, max_size=count))).float()
    value = value.view(1, 1, count, 1).expand(1, heads, count, 1)
    past = plain(grain, heads)
    past.follow(torch.zeros(1, heads, count, 2), real)
    left = real[:, None].expand(1, heads, count).clone()
    for _ in range(data.draw(st.integers(0, 3))):
        going = torch.tensor(data.draw(st.lists(st.booleans(), min_size=count, max_size=count))) & left
        past.let_go(list(range(heads)), torch.arange(count).expand(1, heads, count), value, going)
        left = left & ~going
    held = [(list(range(heads)), torch.arange(count)[left[0, 0]].expand(1, heads, -1))]
    output, lse = past.looked(asked(torch.zeros(1, heads, 1, 2), heads=heads), held)
    gone = real & ~left[:, 0]
    for head in range(heads):
        assert lse[0, head].exp().item() == pytest.approx(int(gone.sum()), abs=1e-4)
        if gone.any():
            assert output[0, head].item() == pytest.approx(value[0, 0, gone[0]].mean().item(), abs=0.03)


def test_the_truth_can_tell() -> None:
    """The slow truth is plain attention where all is held, and something else where it is not."""
    key, value, query = drawn(1, 1, 12, 4, seed=1), drawn(1, 1, 12, 3, seed=2), drawn(1, 1, 2, 4, seed=3)
    past = Past.learnt(Periphery(1, 4), key, 3, None, None)
    past.follow(key, None)
    every = torch.ones(1, 1, 12, dtype=torch.bool)
    text = Text(key, value, every[:, 0], every)
    torch.testing.assert_close(truth(text, past, query, scale=0.5), truth(text, None, query, scale=0.5))
    less = Text(key, value, every[:, 0], torch.arange(12).view(1, 1, 12) >= 8)
    assert not torch.allclose(truth(less, past, query, scale=0.5), truth(text, None, query, scale=0.5), atol=1e-3)
