"""Bases learnt from several texts: sums that add up to those of one long text; one text teaches what a prompt does."""

from __future__ import annotations

import pytest
import torch
from tests.focus_cases import normal
from torch import Tensor

from regard.kernels import sketch_moments
from regard.kernels.sketch import Sketch
from regard.kernels.sketch_basis import Basis, rank_of
from regard.kernels.sketch_moments import Lesson, Moment, learnt, lesson, of_heads
from regard.spec import Focus, SpecError

GRAIN, DIM, VALUE_DIM = 4, 6, 5
SIZES = torch.tensor([3.0, 0.1, 1.0, 2.0, 0.5, 0.2])


def text(length: int = 41, seed: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Keys and values of 2 items and 2 key heads, queries of 4 heads."""
    key = normal(2, 2, length, DIM, seed=seed).float() * SIZES
    return key, normal(2, 2, length, VALUE_DIM, seed=seed + 1).float(), normal(2, 4, 9, DIM, seed=seed + 2).float()


def taught(seed: int = 1, length: int = 41) -> tuple[Lesson, Moment]:
    found, asked = lesson(*text(length, seed), grain=GRAIN, rank=6)
    assert asked is not None
    return found, asked


def close(found: Basis, wanted: Basis) -> None:
    """Up to the sign of a direction, which is no one's to say."""
    signs = torch.sign((found.key * wanted.key).sum(1, keepdim=True))
    torch.testing.assert_close(found.key * signs, wanted.key, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.query * signs, wanted.query, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.key_step, wanted.key_step, rtol=1e-6, atol=0)
    torch.testing.assert_close(found.value_step, wanted.value_step, rtol=1e-6, atol=0)
    assert found.bits == wanted.bits


@pytest.mark.parametrize("bits", [4, 8, 16])
@pytest.mark.parametrize("sketch", [1.0, 2.0, 4.0])
def test_of_one_text_it_is_what_a_prompt_teaches(sketch: float, bits: int) -> None:
    """Read for 6 directions, asked for 2, 4 or 6: the first of them."""
    key, value, query = text()
    alone = Sketch.of(key, value, query=query, policy=Focus(sketch=sketch, grain=GRAIN, bits=bits)).basis
    found = learnt(*taught(), rank=rank_of(sketch, DIM), bits=bits)
    close(found, alone)


def test_without_queries_nothing_is_assumed_of_them() -> None:
    key, value, _ = text()
    found, asked = lesson(key, value, None, grain=GRAIN, rank=4)
    assert asked is None
    close(learnt(found, None, rank=4, bits=8), Sketch.of(key, value, policy=Focus(sketch=3.0, grain=GRAIN)).basis)
    assert lesson(key, value, text()[2][:, :, :0], grain=GRAIN, rank=4)[1] is None


def test_moments_by_hand() -> None:
    """(1, 2) and (3, 0): squares 1 + 9 and 4, product 2."""
    found = Moment.of(torch.tensor([[[1.0, 2.0], [3.0, 0.0]]]))
    assert (found.count, found.total.tolist()) == (2, [[[10.0, 2.0], [2.0, 4.0]]])
    assert found.mean.tolist() == [[[5.0, 1.0], [1.0, 2.0]]]
    both = found.plus(Moment.of(torch.tensor([[[0.0, 4.0]]])))
    assert (both.count, both.total.tolist()) == (3, [[[10.0, 2.0], [2.0, 20.0]]])


def test_two_texts_are_one_long_text() -> None:
    """Texts of whole blocks, one after the other; the first block of each teaches nothing, so it is left out here."""
    (one, asked), (two, more) = taught(1, 40), taught(5, 44)
    keys, values, queries = (torch.cat(parts, 2) for parts in zip(text(40, 1), text(44, 5), strict=True))
    whole = torch.cat((keys[:, :, 4:40], keys[:, :, 44:]), 2), torch.cat((values[:, :, 4:40], values[:, :, 44:]), 2)
    found = one.plus(two)
    blocks = [each.unflatten(2, (-1, GRAIN)) for each in whole]
    residuals = [(each - each.mean(3, keepdim=True).half().float()).flatten(2, 3) for each in blocks]
    for head in range(2):
        own = residuals[0][:, head].flatten(0, 1)
        torch.testing.assert_close(found.keys.total[head], own.T @ own, rtol=1e-5, atol=1e-4)
        both = torch.cat([each[:, head].flatten(0, 1).abs().amax(0) for each in residuals])
        torch.testing.assert_close(found.most[head, 0], both)
        theirs = queries[:, 2 * head : 2 * head + 2].flatten(0, 2)
        torch.testing.assert_close(asked.plus(more).total[head], theirs.T @ theirs, rtol=1e-5, atol=1e-4)
    assert found.keys.count == 2 * (36 + 40)
    assert asked.plus(more).count == 2 * 2 * 18


def test_the_order_of_texts_does_not_matter_and_each_counts() -> None:
    (one, asked), (two, more) = taught(1), taught(5)
    there = learnt(one.plus(two), asked.plus(more), rank=4, bits=8)
    back = learnt(two.plus(one), more.plus(asked), rank=4, bits=8)
    close(there, back)
    alone = learnt(one, asked, rank=4, bits=8)
    assert not torch.allclose(there.key.abs(), alone.key.abs(), rtol=1e-3)


def test_a_text_of_great_numbers_sets_the_steps_of_8_bits() -> None:
    (one, asked), (two, more) = taught(1), taught(5)
    far = Lesson(two.keys, two.most * 10, two.code_votes, two.step_votes)
    found = learnt(one.plus(far), asked.plus(more), rank=4, bits=8)
    torch.testing.assert_close(found.key_step, (two.most * 10)[..., :DIM] * (1.25 / 127.5))


def test_votes_are_counted_by_keys() -> None:
    """A long text that wants the widest step, a short one that wants the first: the long one is followed."""
    (one, asked), votes = taught(), torch.zeros(sketch_moments.WIDTHS, 2, 1, 6)
    wide, narrow = votes + 100.0, votes + 1.0
    wide[-1], narrow[0] = 0.0, 0.0
    found = [Lesson(one.keys, one.most, each, one.step_votes) for each in (wide, narrow)]
    long, short, both = (learnt(each, asked, rank=6, bits=8) for each in (*found, found[0].plus(found[1])))
    torch.testing.assert_close(both.key, long.key)
    assert not torch.allclose(both.key, short.key)


def test_heads_have_their_own() -> None:
    found, asked = taught()
    own = learnt(of_heads(found, range(1, 2)), Moment(asked.total[1:], asked.count), rank=4, bits=4)
    whole = learnt(found, asked, rank=4, bits=4)
    for name in ("key", "query", "key_step", "value_step"):
        torch.testing.assert_close(getattr(own, name), getattr(whole, name)[1:])


def test_keys_that_are_all_alike() -> None:
    found, asked = lesson(torch.ones(1, 1, 12, DIM), torch.ones(1, 1, 12, 2), torch.ones(1, 1, 3, DIM), grain=4, rank=4)
    assert torch.isfinite(learnt(found, asked, rank=4, bits=8).key).all()


def test_refused() -> None:
    key, value, query = text()
    with pytest.raises(SpecError, match="3 keys are no whole block of 4: they teach nothing"):
        lesson(key[:, :, :3], value[:, :, :3], query, grain=4, rank=4)
    with pytest.raises(SpecError, match="not finite"):
        lesson(key / 0, value, query, grain=4, rank=4)
    found, asked = lesson(key, value, query, grain=4, rank=2)
    with pytest.raises(SpecError, match="a basis of 4 directions was asked for; the texts were read for 2"):
        learnt(found, asked, rank=4, bits=8)
