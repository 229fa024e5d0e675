"""A tolerance is kept: the true error of 2,000 rows against the promised one, also where the sketch misleads."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch
from torch import Tensor

from regard import Causal, Dense, Dot, Mask, ScaledDot, SinkLogits
from regard.kernels import focus_bound, focus_reach, reference
from regard.kernels.policies import spend
from regard.kernels.sketch import Sketch
from regard.kernels.spent import Spent
from regard.spec.budget import ROUNDING, Budget
from regard.spec.errors import SpecError
from regard.spec.policy import Focus
from regard.spec.request import Request, request

CONFIDENCE, ROWS = 0.95, 2000
# 95 % of 2,000 rows are 1,900; three standard deviations below, sqrt(2000 * .95 * .05) = 9.7 each, are 1,870
LEAST = ROWS * CONFIDENCE - 3 * math.sqrt(ROWS * CONFIDENCE * (1 - CONFIDENCE))


def heads(*, queries: int = 100, keys: int = 2048, kv_heads: int = 10, seed: int = 0) -> Request:
    """Two heads to a key head. Few directions of the keys matter much, all a little; values go with keys."""
    source = torch.Generator().manual_seed(seed)
    spread = 2 * torch.exp(torch.linspace(0, -3, 32)) + 0.2
    key = torch.randn(1, kv_heads, keys, 32, generator=source) * spread
    value = torch.randn(1, kv_heads, keys, 32, generator=source) + key
    query = torch.randn(1, 2 * kv_heads, queries, 32, generator=source) * 0.5
    return request(query, key, value, score=Dot())


@lru_cache(maxsize=1)
def told() -> tuple[Request, Spent]:
    """What most tests look at: 20 heads, 100 queries, a tolerance of .1."""
    return heads(), spend(heads(), Budget(tolerance=0.1, confidence=CONFIDENCE))


@lru_cache(maxsize=1)
def truth() -> Tensor:
    return exact(heads())


def misled(asked: Request, policy: Focus) -> Sketch:
    """A sketch for other queries, a hundred times longer where the keys say least."""
    other = asked.query * torch.linspace(0.01, 1.0, 32).square()
    return Sketch.of(asked.key, asked.value, query=other, policy=policy)


def exact(asked: Request) -> Tensor:
    parts = {name: getattr(asked, name).double() for name in ("query", "key", "value")}
    return reference.run(replace(asked, **parts, budget=None))[0]


def off(found: Spent, truth: Tensor) -> Tensor:
    """(batch, heads, queries): |output - exact| / |exact|."""
    return (found.output.double() - truth).norm(dim=-1) / truth.norm(dim=-1)


@pytest.mark.parametrize("tolerance", [0.1, 0.03])
def test_the_promise_is_kept_and_less_is_read(tolerance: float) -> None:
    asked, found = told()
    if tolerance != 0.1:
        found = spend(asked, Budget(tolerance=tolerance, confidence=CONFIDENCE))
    error = off(found, truth())
    assert error.numel() == ROWS
    assert found.error is not None
    assert (error <= tolerance).sum() >= LEAST
    assert (error <= found.error).sum() >= LEAST
    assert found.error.max() <= tolerance
    assert found.bytes.mean() < 0.6 * found.full


def test_keys_beyond_the_codes_do_not_break_the_promise() -> None:
    """Scores spread by 6, and a sketch made by one query of each head, which knows little more than that its keys lie
    beyond its codes: where these were not read in any case, 7 of 160 were off, one by .81."""
    source, errors = torch.Generator().manual_seed(5), []
    for _ in range(20):
        query = torch.randn(1, 8, 1, 64, generator=source) * 6
        key, value = (torch.randn(1, 2, 2048, 64, generator=source) for _ in range(2))
        asked = request(query, key, value, score=ScaledDot())
        found = spend(asked, Budget(tolerance=0.03), Sketch.of(key, value, query=query))
        errors += off(found, exact(asked)).flatten().tolist()
        assert found.bytes.mean() < 0.5 * found.full
    assert sum(error > 0.03 for error in errors) <= 1
    assert max(errors) < 0.1


def test_a_misleading_sketch_keeps_the_promise_and_reads_more() -> None:
    asked, plain = told()
    found = spend(asked, Budget(tolerance=0.1, confidence=CONFIDENCE), misled(asked, Focus()))
    assert (off(found, truth()) <= 0.1).sum() >= LEAST
    assert found.bytes.mean() > 1.1 * plain.bytes.mean()


def test_keys_drawn_half_as_often_as_is_reckoned_break_the_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = focus_reach.drawn
    monkeypatch.setattr(focus_reach, "drawn", lambda chances, dice: drawn(chances / 2, dice))
    found = spend(heads(), Budget(tolerance=0.1, confidence=CONFIDENCE))
    assert (off(found, truth()) <= 0.1).sum() < LEAST


def test_more_confidence_reads_more() -> None:
    asked = heads(queries=10)
    read = [float(spend(asked, Budget(tolerance=0.1, confidence=each)).bytes.mean()) for each in (0.5, 0.9, 0.999)]
    assert read == sorted(read)
    assert read[0] < read[2]


def test_heads_that_share_keys_share_the_largest_bound() -> None:
    found = spend(heads(queries=10), Budget(tolerance=0.1))
    assert found.error is not None
    each = found.error.unflatten(1, (-1, 2))
    assert torch.equal(each[:, :, 0], each[:, :, 1])


def test_the_same_call_gives_the_same_and_leaves_random_numbers_alone() -> None:
    asked, budget = heads(queries=10), Budget(tolerance=0.1)
    before = torch.get_rng_state()
    found, again = spend(asked, budget), spend(asked, budget)
    assert torch.equal(torch.get_rng_state(), before)
    for name in ("output", "lse", "bytes", "error"):
        assert torch.equal(getattr(found, name), getattr(again, name))


@pytest.mark.parametrize("dtype", list(ROUNDING), ids=str)
def test_where_rounding_is_too_much_the_result_is_exact(dtype: torch.dtype) -> None:
    asked = heads(queries=3, kv_heads=1)
    asked = replace(asked, **{name: getattr(asked, name).to(dtype) for name in ("query", "key", "value")})
    found = spend(asked, Budget(tolerance=ROUNDING[dtype] * 1.01))
    assert found.error is not None
    assert off(found, exact(asked)).max() < 5 * ROUNDING[dtype]
    assert torch.all(found.error >= ROUNDING[dtype])
    assert torch.all(found.error <= ROUNDING[dtype] + 1e-4)
    assert torch.all(found.bytes == found.full)


def test_a_tolerance_below_rounding_is_refused() -> None:
    asked = heads(queries=1, kv_heads=1)
    with pytest.raises(SpecError, match="below the error of float32 itself"):
        request(asked.query, asked.key, asked.value, budget=Budget(tolerance=1e-7))


@pytest.mark.parametrize("bits", [4, 8, 16])
def test_bytes_are_those_that_were_read(bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """1,034 keys of 32 + 32 numbers, 128 bytes each: 16 blocks of 64, whose mean costs 128 bytes, and 10 keys behind.
    The codes of a key at half a bit for each of 32 numbers: 2 bytes; the basis: 4 directions of 32 numbers."""
    asked, read = heads(queries=1, keys=1034, kv_heads=1), []
    found_by = focus_reach.Reach.read

    def watched(reach: focus_reach.Reach, chances: Tensor, many: int) -> tuple[object, Tensor, Tensor, Tensor]:
        found = found_by(reach, chances, many)
        read.append(found[1:3])
        return found

    monkeypatch.setattr(focus_reach.Reach, "read", watched)
    found = spend(asked, Budget(tolerance=0.2, policy=Focus(bits=bits)))
    sketch, keys = 1034 * (2 + 128 / 64) + 4 * 32 * 2 + 10 * 128, [int(each) for each, _ in read]
    again = int(torch.stack([each for _, each in read]).any(0).sum())  # these keys were read as they are
    assert keys == sorted(keys)  # what was drawn stays drawn
    assert 0 < keys[-1] < 1024
    assert found.full == 1034 * 128
    if bits == 8:
        assert again >= Focus().exact
        assert float(found.bytes) == sketch + 128 + 64 * keys[-1] + 128 * again  # 128: the steps of rounding
    else:  # at 4 bits some numbers are cut off: all is read as it is
        assert again == keys[-1]
        assert float(found.bytes) == sketch + 128 * keys[-1]


@pytest.mark.parametrize("mask", [Causal(), Causal() & Dense(torch.ones(1, 1, 40, 400, dtype=torch.bool).tril(200))])
@pytest.mark.parametrize("sink", [None, SinkLogits(torch.tensor([1.0, 3.0]))])
def test_masks_and_sinks(mask: Mask, sink: SinkLogits | None) -> None:
    asked = heads(queries=40, keys=400, kv_heads=1)
    asked = request(asked.query, asked.key, asked.value, score=ScaledDot(1.0), mask=mask, bias=sink)
    found = spend(asked, Budget(tolerance=0.1, policy=Focus(grain=16)))
    assert (off(found, exact(asked)) <= 0.1).double().mean() > CONFIDENCE
    truth = torch.from_numpy(np.asarray(reference.run(replace(asked, budget=None))[1]))
    assert (found.lse - truth).abs().median() < 0.1


def test_a_key_that_may_not_be_seen_is_not_read() -> None:
    """The last 20 of 148 keys, all behind the sketch, and the first of the query's blocks; a query may see none."""
    asked = heads(queries=2, keys=148, kv_heads=1)
    may = torch.ones(1, 1, 2, 148, dtype=torch.bool)
    may[..., 128:], may[..., :5], may[:, :, 1] = False, False, False
    value = asked.value.clone()
    value[:, :, 128:] = 1e30
    found, plain = (
        spend(request(asked.query, asked.key, each, score=Dot(), mask=may), Budget(tolerance=0.1))
        for each in (value, asked.value)
    )
    assert torch.equal(found.output, plain.output)
    assert torch.equal(found.output[:, :, 1], torch.zeros(1, 2, 32))
    assert torch.equal(found.lse[:, :, 1], torch.full((1, 2), -torch.inf))


def test_too_few_samples_say_nothing() -> None:
    """Of 3 keys read and one not, no bound is made; of 3 and none unread the error is that of rounding: none here."""
    one = torch.ones(1, 1, 3)
    found = focus_bound.Evidence(
        weights=one,
        values=torch.arange(6.0).view(1, 3, 2),
        chance=torch.full((1, 3), 0.5),
        sketched=one,
        means=torch.ones(1, 3, 2),
        unread=torch.ones(1, 1, 1),
        block_means=torch.ones(1, 1, 2),
        late=torch.zeros(1, 1),
        late_sum=torch.zeros(1, 1, 2),
        score_noise=torch.zeros(1, 1),
        value_noise=torch.zeros(1),
        rounded=torch.zeros(1, 3),
    )
    assert focus_bound.estimate(found, CONFIDENCE).error.isinf().all()
    whole = replace(found, chance=torch.ones(1, 3), unread=torch.zeros(1, 1, 1))
    known = focus_bound.estimate(whole, CONFIDENCE)
    assert torch.equal(known.output, torch.tensor([[[2.0, 3.0]]]))  # the mean of (0, 1), (2, 3), (4, 5)
    assert torch.equal(known.error, torch.zeros(1, 1))
