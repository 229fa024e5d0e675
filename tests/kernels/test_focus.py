"""`Focus` against its slow self: every mask, resolution, dtype and layout, and the sizes at which work is cut."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests import focus_cases
from tests.focus_cases import HALF, POLICY, allotted, asked, call, check, inputs, masks, normal, policy
from tests.focus_reference import stocked, weighed
from tests.focus_ways import only
from torch import Tensor

from regard.kernels import focus, focus_look, focus_read, reference, sketch
from regard.kernels.policies import spend
from regard.kernels.sketch import Sketch
from regard.spec import Budget, Causal, Dot, General, ScaledDot, Score, SinkLogits, WindowSinks, request
from regard.spec.request import DTYPES


@pytest.fixture(autouse=True, params=["torch", "numba"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is said here, of both ways of computing it."""
    only(request.param, monkeypatch)


@pytest.mark.parametrize("mask", masks())
@pytest.mark.parametrize("bits", [4, 8, 16])
def test_every_mask_at_every_resolution(mask: str, bits: int) -> None:
    check(call(asked(masks()[mask]), policy(bits=bits)))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("bits", [8, 16])
def test_every_dtype(dtype: torch.dtype, bits: int) -> None:
    check(call(asked(Causal(), dtype), policy(bits=bits)))


@pytest.mark.parametrize(
    "changed",
    [
        {"sketch": 0.25},
        {"sketch": 4.0},
        {"exact": 0},
        {"exact": 1, "first": 1},
        {"exact": 33},
        {"first": 0},
        {"first": 11, "exact": 12},
        {"latest": 0.0},
        {"latest": 0.9},
        {"latest": 1.0},
        {"grain": 7},
        {"grain": 64},
        {"grain": 157},
    ],
    ids=str,
)
def test_every_field_of_the_policy(changed: dict[str, float]) -> None:
    budget = policy(**({"exact": 0} if changed.get("grain", 0) > 60 else {}) | changed)
    check(call(asked(Causal() if changed.get("grain") != 157 else None), replace(budget, fraction=0.6)))


@pytest.mark.parametrize(
    "budget",
    [
        Budget(fraction=0.35, policy=POLICY),
        Budget(fraction=0.97, policy=POLICY),  # all keys, rounded
        Budget(fraction=0.999, policy=replace(POLICY, bits=16)),
        Budget(keys=70, policy=POLICY),
    ],
    ids=["little", "nearly all", "nearly all, as they are", "70 keys"],
)
def test_every_budget(budget: Budget) -> None:
    check(call(asked(Causal()), budget))


@pytest.mark.parametrize("budget", [Budget(fraction=1.0, policy=POLICY), Budget(keys=157, policy=POLICY)], ids=str)
def test_a_budget_that_pays_for_all_keys_reads_them_as_they_are(budget: Budget) -> None:
    made = asked(Causal())
    found = spend(made, budget)
    torch.testing.assert_close(found.output, reference.run(made)[0], rtol=1e-5, atol=1e-5)
    assert torch.equal(found.bytes, spend(made, replace(budget, policy=WindowSinks())).bytes)
    less = replace(budget, keys=156) if budget.keys else replace(budget, fraction=0.999)
    assert not torch.allclose(spend(made, less).output, found.output, atol=1e-5)


@pytest.mark.parametrize("start", [97, 120, 400])
def test_queries_in_the_middle_of_a_text_and_behind_it(start: int) -> None:
    check(call(asked(Causal(), query_start=start), replace(HALF, fraction=0.7)))


SCORES: dict[str, Score] = {
    "dot": Dot(),
    "scaled by -.3": ScaledDot(-0.3),
    "general": General(normal(focus_cases.DIM, focus_cases.DIM, seed=7) / 4),
    "general a head": General(normal(focus_cases.HEADS, focus_cases.DIM, focus_cases.DIM, seed=8).float() / 4),
}


@pytest.mark.parametrize("score", SCORES)
def test_every_score(score: str) -> None:
    q, k, v = inputs()
    made = call(request(q if score.startswith("scaled") else q / 4, k, v, score=SCORES[score]))
    check(made)
    check(made, given=False)


def test_queries_and_keys_of_different_sizes() -> None:
    q, k, v = inputs()
    made = call(request(q[..., :13], k, v, score=General(normal(13, focus_cases.DIM, seed=9).float() / 4)))
    check(made)
    check(made, given=False)


@pytest.mark.parametrize("mask", ["no mask", "causal", "padding left"])
def test_a_sink_logit_takes_its_share(mask: str) -> None:
    for logit in (-2.0, 1.0, 40.0):
        sink = SinkLogits(torch.linspace(logit - 1, logit, focus_cases.HEADS))
        check(call(asked(masks()[mask], bias=sink)))


@pytest.mark.parametrize(("heads", "kv_heads"), [(1, 1), (2, 2), (6, 1), (4, 2)])
def test_every_grouping_of_heads(heads: int, kv_heads: int) -> None:
    q, k, v = inputs()
    for mask in (None, Causal()):
        check(call(request(q[:, :heads], k[:, :kv_heads], v[:, :kv_heads], mask=mask)))


@pytest.mark.parametrize(("dim", "value_dim"), [(2, 1), (3, 5), (16, 16), (19, 2)])
def test_every_width(dim: int, value_dim: int) -> None:
    q, k, v = inputs()
    for bits in (4, 8, 16):
        budget = Budget(fraction=0.9, policy=replace(POLICY, bits=bits, sketch=4.0, grain=16, exact=2))
        made = request(3 * q[..., :dim], k[..., :dim], v[..., :value_dim], mask=Causal())
        check(call(made, budget, doubts=10 if dim < 4 else 2))


def test_a_cache_of_whole_blocks_and_one_of_a_single_block() -> None:
    q, k, v = inputs()
    check(call(request(q, k[:, :, :152], v[:, :, :152], mask=Causal())))
    one = Budget(fraction=0.999, policy=replace(POLICY, grain=40, exact=0, sketch=0.4))
    check(call(request(q, k[:, :, :41], v[:, :, :41]), one))


def test_one_query() -> None:
    for mask in (None, Causal()):
        check(call(asked(mask, queries=1)))


def turned(tensor: Tensor) -> Tensor:
    """The same numbers, (batch, length, heads, dim) in memory."""
    return tensor.transpose(1, 2).contiguous().transpose(1, 2)


def test_a_cache_of_any_layout() -> None:
    made = call(asked(Causal()))
    tensors = made.request.query, made.request.key, made.request.value
    thinned = [each.repeat_interleave(2, 2)[:, :, ::2] for each in tensors]
    for bits in (8, 16):
        made = call(asked(Causal()), policy(bits=bits))
        for query, key, value in (map(turned, tensors), thinned):
            check(replace(made, request=replace(made.request, query=query, key=key, value=value)))


@pytest.mark.parametrize("mask", ["no mask", "causal", "padding left"])
def test_work_cut_into_many_pieces(mask: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One query at a time, one block of codes, 64 rounded keys, one block when sketching: the same."""
    monkeypatch.setattr(focus, "SCRATCH", 1)
    monkeypatch.setattr(focus_look, "CHUNK", 1)
    monkeypatch.setattr(focus_read, "CHUNK", 1)
    monkeypatch.setattr(sketch, "CHUNK", 1)
    for bits in (4, 8, 16):
        check(call(asked(masks()[mask]), policy(bits=bits)))


def test_queries_in_runs_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(focus, "SCRATCH", 2 * 3 * 4 * 3 * 157)
    check(call(asked(Causal())))


def test_without_a_sketch_one_is_made() -> None:
    check(call(asked(Causal())), given=False)


def test_constant_keys_give_the_mean_of_the_values() -> None:
    """All keys alike: all weights are alike, and what was not read adds up with what was."""
    q, k, v = inputs()
    for bits in (8, 16):
        made = request(q, torch.ones_like(k), v)
        budget = policy(bits=bits)
        kept = Sketch.of(made.key, made.value, policy=budget.policy)  # type: ignore[arg-type]
        found = spend(made, budget, kept)
        mean = v.mean(2)[:, :, None, None].expand(-1, -1, 3, 5, -1).flatten(1, 2)
        torch.testing.assert_close(found.output, mean, rtol=0, atol=1e-3 if bits == 16 else 2e-2)


@pytest.mark.parametrize("bits", [4, 8, 16])
def test_where_nothing_is_read_one_by_one_the_sketch_speaks_alone(bits: int) -> None:
    q, k, v = inputs(queries=1)
    kept = Sketch.of(k, v, query=q, policy=replace(POLICY, bits=bits, first=0))
    lanes = [each.flatten(0, 1) for each in (k, v)]
    asked = q.view(4, 1, 3, -1)
    none = allotted(torch.zeros(1, 1, dtype=torch.int64), kept.policy)
    output, lse = focus_look.looked(focus_look.Look(kept, asked * focus.LOG2E, *lanes, None, none))
    for lane in range(4):
        shelf = stocked(kept, lane // 2, lane % 2, lanes[0][lane].double().numpy(), lanes[1][lane].double().numpy())
        for head in range(3):
            query = asked[lane, 0, head].double().numpy()
            want, total = weighed(shelf, query, np.ones(157, dtype=bool), [], [])
            torch.testing.assert_close(output[lane, 0, head].double(), torch.from_numpy(want), atol=1e-4, rtol=0)
            assert float(lse[lane, 0, head]) / focus.LOG2E == pytest.approx(total, abs=1e-4)


def test_scores_too_large_for_a_plain_exponential() -> None:
    """Scores up to 100, and up to 1,000, where rounding decides about all that has next to no weight."""
    q, k, v = inputs()
    for size in (8, -8):
        check(call(request(size * q, k, v, mask=Causal()), doubts=4))
    made = request(100 * q, k, v, mask=Causal())
    found = spend(made, HALF)
    assert float(found.lse.max()) > 900
    assert torch.isfinite(found.lse).all()
    assert torch.isfinite(found.output).all()
