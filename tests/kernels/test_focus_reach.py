"""Rows read a small cache: two blocks of 8 keys in the sketch, 3 keys behind it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from regard import SinkLogits
from regard.kernels.focus import LOG2E
from regard.kernels.focus_look import beyond, judged
from regard.kernels.focus_reach import Reach
from regard.kernels.sketch import Sketch
from regard.spec.policy import Focus

KEYS, INSIDE, DIM = 19, 16, 4


def reach(*, bits: int = 8, sink: SinkLogits | None = None, allowed: Tensor | None = None, far: int = -1) -> Reach:
    """One lane, two rows, two heads. far: a key that comes later and is ten times longer than all others."""
    source = torch.Generator().manual_seed(1)
    key, value = (torch.randn(1, 1, KEYS, DIM, generator=source) for _ in range(2))
    query = torch.randn(1, 2, 2, DIM, generator=source)  # (lanes, rows, groups, d)
    policy = Focus(bits=bits, grain=8)
    sketch = Sketch.of(key[:, :, :8], value[:, :, :8], policy=policy)
    if far >= 0:
        key[:, :, far] *= 10
    sketch.follow(key, value)
    may = torch.ones(1, 2, KEYS, dtype=torch.bool) if allowed is None else allowed
    scores, _ = judged(sketch, query)
    dice = torch.linspace(0, 0.99, INSIDE).expand(2, -1)
    parts = may[0], scores[0], beyond(sketch, query)[0], dice
    return Reach.of(sketch, key[0], value[0], torch.zeros(2, dtype=torch.int64), query[0], query[0], *parts, sink)


def by_hand(found: Reach, row: int, head: int) -> tuple[Tensor, float]:
    """(output, log2 of the sum of weights) of the keys that may be seen."""
    may = found.allowed[row]
    weights = torch.exp2(found.key[0, may] @ found.query[row, head])
    return weights @ found.value[0, may] / weights.sum(), math.log2(weights.sum())


def test_attending_exactly() -> None:
    found = reach()
    output, total = found.attended()
    for row in range(2):
        for head in range(2):
            wanted, lse = by_hand(found, row, head)
            torch.testing.assert_close(output[row, head], wanted)
            assert float(total[row, head]) == pytest.approx(lse, rel=1e-5)


def test_a_row_that_may_see_nothing() -> None:
    allowed = torch.ones(1, 2, KEYS, dtype=torch.bool)
    allowed[:, 1] = False
    output, total = reach(allowed=allowed).attended()
    assert torch.equal(output[1], torch.zeros(2, DIM))
    assert torch.equal(total[1], torch.full((2,), -torch.inf))
    assert output[0].abs().min() > 0


def test_a_sink_takes_its_share() -> None:
    plain, found = reach(), reach(sink=SinkLogits(torch.tensor([0.5, 2.0])))
    (output, total), (less, more) = plain.attended(), found.attended()
    share = torch.exp2(total) / (torch.exp2(total) + torch.exp(torch.tensor([0.5, 2.0])))
    torch.testing.assert_close(less, output * share[..., None])
    torch.testing.assert_close(more, total - share.log2())
    evidence, *_ = found.read(torch.ones(2, INSIDE), 16)
    assert evidence.late.shape == (2, 2)


@pytest.mark.parametrize("bits", [4, 16])
def test_all_keys_read_as_they_are_give_the_exact_sums(bits: int) -> None:
    found = reach(bits=bits)
    evidence, count, again, shift = found.read(torch.ones(2, INSIDE), 16)
    assert count.tolist() == [INSIDE, INSIDE]
    assert again.all()
    assert torch.equal(evidence.unread, torch.zeros(2, 2, 2))
    assert torch.equal(evidence.rounded, torch.zeros(2, INSIDE))
    total = evidence.weights.sum(-1) + evidence.late
    output = (evidence.weights @ evidence.values + evidence.late_sum) / total[..., None]
    torch.testing.assert_close(output, found.attended()[0])
    torch.testing.assert_close(total.log2() + shift[..., 0], found.attended()[1])


def test_rounded_keys_are_near_and_the_heaviest_are_read_again() -> None:
    found = reach()
    evidence, _, again, _ = found.read(torch.ones(2, INSIDE), 3)
    assert torch.all(again.sum(-1) >= 3)  # and those that rounding cuts off
    assert torch.all(again.sum(-1) < INSIDE)
    assert torch.equal(evidence.rounded.sum(-1) + again.sum(-1), torch.full((2,), float(INSIDE)))
    total = evidence.weights.sum(-1) + evidence.late
    output = (evidence.weights @ evidence.values + evidence.late_sum) / total[..., None]
    assert 0 < float((output - found.attended()[0]).abs().max()) < 0.05


def test_a_key_beyond_the_steps_of_rounding_is_read_as_it_is() -> None:
    found = reach(far=12)
    _, _, again, _ = found.read(torch.ones(2, INSIDE), 0)
    assert again[:, 12].all()


def test_a_key_that_the_codes_do_not_reach_is_doubted() -> None:
    """A code of 0 or 15 stands for all beyond it: the score may lie higher by 7.5 steps of that number."""
    found, sketch = reach(far=12), reach(far=12).sketch
    numbers = found.query @ sketch.basis.query[0]  # (rows, groups, r)
    codes = torch.cat((sketch.codes[0] >> 4, sketch.codes[0] & 15))[:, :INSIDE]
    assert {0, 15} & set(codes[:, 12].tolist())
    for row in range(2):
        wanted = []
        for key in range(INSIDE):
            told = [
                7.5 * sum(
                    abs(float(one)) for one, code in zip(asked, codes[:, key].tolist(), strict=True)
                    if code == (15 if one > 0 else 0)
                )
                for asked in numbers[row]
            ]  # fmt: skip
            scores = found.weights[row, :, key].log2()  # below the top
            wanted.append(any(more > 0 and float(score) + more >= -2 for more, score in zip(told, scores, strict=True)))
        assert found.doubted[row].tolist() == wanted
    assert found.doubted.any()
    assert not found.doubted.all()


def test_what_is_not_drawn_keeps_its_sketch_weight() -> None:
    """Chances of .5 draw the keys whose numbers lie below: the first 8, which are the first block."""
    found = reach()
    evidence, count, _, shift = found.read(torch.full((2, INSIDE), 0.5), 0)
    assert count.tolist() == [8, 8]
    assert torch.equal(evidence.chance, torch.full((2, 8), 0.5))
    lower = torch.exp2(found.top - shift)
    wanted = torch.stack((torch.zeros(2, 2), found.weights[..., 8:].sum(-1)), -1) * lower
    torch.testing.assert_close(evidence.unread, wanted)
    torch.testing.assert_close(evidence.sketched.sum(-1), found.weights[..., :8].sum(-1) * lower[..., 0])


def test_a_block_seen_in_part_has_no_summary() -> None:
    allowed = torch.ones(1, 2, KEYS, dtype=torch.bool)
    allowed[..., 15:] = False
    found = reach(allowed=allowed)
    assert found.whole[:, :8].all()
    assert not found.whole[:, 8:].any()
    evidence, *_ = found.read(torch.zeros(2, INSIDE), 0)
    assert torch.equal(evidence.unread[..., 1], torch.zeros(2, 2))
    assert evidence.unread[..., 0].min() > 0


def test_the_least_that_rounding_does() -> None:
    """Of equal shares 1 / 16 all but 12 are rounded: sqrt(4 / 256 * noise) in score, of logarithms to base 2."""
    found = reach()
    even = replace(found, weights=torch.ones(2, 2, INSIDE))
    noise = (found.query.square() @ found.sketch.basis.key_step[0, 0].square() / 12).amax(1)
    torch.testing.assert_close(even.least_error(12), (4 / 256 * noise).sqrt() / LOG2E)
    assert torch.equal(reach(bits=16).least_error(0), torch.zeros(2))


def test_some_rows() -> None:
    found = reach()
    second = found.rows(torch.tensor([1]))
    torch.testing.assert_close(second.attended()[0][0], found.attended()[0][1])
