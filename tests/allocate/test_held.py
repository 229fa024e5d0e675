"""What is held of a layer: ragged, exact over what it holds, and no larger than that."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from torch import Tensor

from regard.allocate.held import Held, over
from regard.engine.attend import choose
from regard.kernels import dense
from regard.spec.bias import SinkLogits
from regard.spec.membership import Dense
from regard.spec.request import Request, request
from regard.spec.score import ScaledDot

DIM, WIDE, HEADS, KEY_HEADS, BATCH = 8, 5, 6, 3, 2
SCORE = ScaledDot(0.4, softcap=3.0)


def drawn(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


K, V, Q = (
    drawn(BATCH, KEY_HEADS, 40, DIM, seed=1),
    drawn(BATCH, KEY_HEADS, 40, WIDE, seed=2),
    drawn(2, 6, 40, 8, seed=3),
)
SINK = SinkLogits(drawn(HEADS, seed=4))
# for each key head, the places that stay of the first 20, for both items
KEPT = [[0, 3, 4, 9, 17, 19], [1, 2, 3, 10, 11, 19], [5, 19]]


def run(asked: Request) -> tuple[Tensor, Tensor | None]:
    return choose(asked, None).run(asked)


def asked(start: int, stop: int) -> Request:
    """New keys alone, as a model's attention is called with."""
    part = slice(start, stop)
    return request(Q[:, :, part], K[:, :, part], V[:, :, part], score=SCORE, bias=SINK, query_start=0)


def filled(real: Tensor | None = None) -> Held:
    """20 tokens in, in one call; the queries are accounted for."""
    held = Held.of(K[:, :, :20].clone(), V[:, :, :20].clone(), room=4, half_life=None, real=real)
    held.attend(asked(0, 20), run)
    held.account(asked(0, 20))
    return held


def cut(held: Held) -> Held:
    held.keep([torch.tensor([places, places]) for places in KEPT])
    return held


def truth(start: int, stop: int, kept: list[list[int]], real: Tensor | None = None) -> Tensor:
    """All keys up to `stop` under a mask, head by head, by the slow truth."""
    allowed = torch.zeros(BATCH, HEADS, stop - start, stop, dtype=torch.bool)
    for head in range(HEADS):
        allowed[:, head, :, kept[head // 2]] = True
    allowed[..., 20:] = torch.arange(20, stop) <= torch.arange(start, stop)[:, None]
    if real is not None:
        allowed[..., :20] &= real[:, None, None]
    whole = request(Q[:, :, start:stop], K[:, :, :stop], V[:, :, :stop], score=SCORE, bias=SINK, mask=Dense(allowed))
    return dense.run(whole)[0]


@pytest.mark.parametrize("calls", [[1] * 7, [7], [3, 1, 12], [20]], ids=str)
def test_attention_is_exact_over_what_is_held(calls: list[int]) -> None:
    held, start = cut(filled()), 20
    assert held.sizes == [6, 6, 2]
    assert len(held.parts) == 2  # two heads keep 6, and lie in one tensor
    for count in calls:
        part = slice(start, start + count)
        held.append(K[:, :, part], V[:, :, part])
        found = held.attend(asked(start, start + count), run)
        torch.testing.assert_close(found, truth(start, start + count, KEPT), rtol=1e-5, atol=1e-6)
        start += count
    assert held.seen == start
    assert held.sizes == [start - 20 + len(places) for places in KEPT]


def test_padding_that_is_still_held_is_not_seen() -> None:
    real = torch.ones(BATCH, 20, dtype=torch.bool)
    real[1, :10] = False
    held = cut(filled(real))
    held.append(K[:, :, 20:23], V[:, :, 20:23])
    found = held.attend(asked(20, 23), run)
    torch.testing.assert_close(found, truth(20, 23, KEPT, real), rtol=1e-5, atol=1e-6)
    assert [part.real is None for part in held.parts] == [False, False]
    held.keep([torch.arange(held.sizes[head] - 3, held.sizes[head]).expand(2, 3) for head in range(3)])
    assert [part.real for part in held.parts] == [None]  # only real keys are left


def test_heads_with_and_without_padding_come_to_lie_together() -> None:
    """The first head holds two keys that are padding in item 1, the third none; then both keep two keys."""
    real = torch.ones(BATCH, 20, dtype=torch.bool)
    real[1, :4] = False
    held = filled(real)
    held.keep([torch.tensor([places, places]) for places in ([2, 3, 9], [8, 9, 10], [8, 19])])
    assert [part.real is None for part in held.parts] == [False, True]
    held.keep([torch.tensor([[1, 2], [1, 2]]), torch.tensor([[2], [2]]), torch.tensor([[0, 1], [0, 1]])])
    assert [part.heads for part in held.parts] == [[0, 2], [1]]
    kept = held.parts[0].real
    assert kept is not None
    assert kept[:, :, :2].tolist() == [[[True, True]] * 2, [[False, True], [True, True]]]
    assert held.parts[1].real is None


def test_new_keys_that_are_all_real_are_not_noted() -> None:
    held = cut(filled())
    held.append(K[:, :, 20:21], V[:, :, 20:21])
    held.mark(torch.ones(BATCH, 1, dtype=torch.bool))
    assert all(part.real is None for part in held.parts)


def test_padding_among_new_keys_that_is_told_of_later() -> None:
    held = cut(filled())
    held.append(K[:, :, 20:23], V[:, :, 20:23])
    held.mark(torch.tensor([[True, True, True], [False, True, True]]))
    assert [part.real is not None for part in held.parts] == [True, True]
    assert not any(part.real[1, :, part.count - 3].any() for part in held.parts if part.real is not None)
    found = held.attend(asked(20, 23), run)
    expected = truth(20, 23, KEPT)
    torch.testing.assert_close(found[0], expected[0], rtol=1e-5, atol=1e-6)
    assert not torch.allclose(found[1], expected[1])


def test_places_in_the_text_and_mass_go_along() -> None:
    held = filled()
    before = held.parts[0].received.clone()
    cut(held)
    for part in held.parts:
        for slot, head in enumerate(part.heads):
            places = torch.tensor(KEPT[head])
            assert torch.equal(part.positions[0, slot, : part.count].long(), places)
            assert torch.equal(part.received[:, slot, : part.count], before[:, head][:, places])
            assert torch.equal(part.key[:, slot], K[:, head, places])
            assert torch.equal(part.value[:, slot], V[:, head, places])


def test_mass_of_each_query_is_counted_once() -> None:
    """A prompt, then single tokens, accounted for in groups: the sum over rows of the whole matrix."""
    held = filled()
    for start in range(20, 26):
        held.append(K[:, :, start : start + 1], V[:, :, start : start + 1])
        held.attend(asked(start, start + 1), run)
        if start in (22, 25):
            held.account(asked(start, start + 1))
            assert held.pending == []
    scores = 0.4 * Q[:, :, :26].double() @ K[:, :, :26].double().repeat_interleave(2, 1).mT
    scores = (3 * (scores / 3).tanh()).masked_fill(torch.ones(26, 26).triu(1).bool(), -torch.inf)
    total = scores.exp().sum(-1, keepdim=True) + SINK.per_head.double().exp()[:, None, None]
    expected = (scores.exp() / total).sum(2).view(BATCH, KEY_HEADS, 2, 26).sum(2)
    torch.testing.assert_close(held.parts[0].received[:, :, :26].double(), expected, rtol=1e-5, atol=1e-6)
    held.account(asked(25, 26))  # nothing waits: nothing is added
    torch.testing.assert_close(held.parts[0].received[:, :, :26].double(), expected, rtol=1e-5, atol=1e-6)


def test_the_mass_of_a_head_comes_with_the_queries_that_could_give_it() -> None:
    held = cut(filled())
    masses = held.masses()
    for head, places in enumerate(KEPT):
        assert masses[head].real is None
        assert masses[head].queries[0].tolist() == [20 - place for place in places]
    assert torch.equal(masses[2].received, held.parts[1].received[:, 0, :2])


def test_mass_received_before_fades() -> None:
    held = Held.of(K[:, :, :20].clone(), V[:, :, :20].clone(), room=4, half_life=2.0, real=None)
    held.parts[0].received += 1.0
    held.pending.append(Q[:, :, 18:20])
    held.account(asked(18, 20))
    again = Held.of(K[:, :, :20].clone(), V[:, :, :20].clone(), room=4, half_life=2.0, real=None)
    again.pending.append(Q[:, :, 18:20])
    again.account(asked(18, 20))
    torch.testing.assert_close(held.parts[0].received, again.parts[0].received + 0.5)


def test_what_is_let_go_of_takes_no_memory() -> None:
    key, value = torch.zeros(BATCH, KEY_HEADS, 1000, 64), torch.zeros(BATCH, KEY_HEADS, 1000, 64)
    held = Held.of(key, value, room=10, half_life=None, real=None)
    whole, each = held.bytes, 4 * (64 + 64) + 4 + 4  # a key, its value, its mass and its place
    assert whole == BATCH * KEY_HEADS * 1000 * each
    gone = weakref.ref(key)
    del key, value
    held.keep([torch.arange(size).expand(BATCH, size) for size in (100, 200, 100)])
    gc.collect()
    assert gone() is None
    assert held.bytes == BATCH * (111 + 211 + 111) * each
    held.append(torch.zeros(BATCH, KEY_HEADS, 11, 64), torch.zeros(BATCH, KEY_HEADS, 11, 64))
    assert held.bytes == BATCH * (111 + 211 + 111) * each  # there was room for these


def test_items_are_chosen_and_repeated() -> None:
    held = cut(filled())
    held.append(K[:, :, 20:21], V[:, :, 20:21])
    held.attend(asked(20, 21), run)
    held.select(torch.tensor([1, 1, 0]))
    for part in held.parts:
        assert torch.equal(part.key[:, :, -1], K[[1, 1, 0]][:, part.heads, 20])
    assert held.pending[0].shape[0] == 3
    assert torch.equal(held.pending[0], Q[[1, 1, 0], :, 20:21])
    assert held.lse is None


def test_a_request_over_some_heads_has_their_sinks() -> None:
    held = cut(filled())
    few = over(asked(19, 20), held.parts[1])
    assert held.parts[1].heads == [2]
    assert few.sink is not None
    assert torch.equal(few.sink.per_head, SINK.per_head[4:])
    assert held.whole is None
