"""What holds for every policy, over drawn calls: bytes, exactness at a whole budget, and queries that stand alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests import comparison
from tests.kernels.policies import drawn

from regard.kernels import dense
from regard.kernels.policies import POLICIES, call, spend
from regard.kernels.spent import Spent
from regard.spec import Budget, Causal, KernelError, LowBits, Mask, Padding, Policy, Request, Sinks, Window, request

DATA = st.data()
POSITIONAL: list[Mask | None] = [None, Causal(), Window(5, 0), Causal() & (Window(3, 0) | Sinks(2))]


def attempt(asked: Request, budget: Budget) -> Spent | None:
    """None where LowBits has less than a bit."""
    try:
        with torch.no_grad():
            return spend(asked, budget)
    except KernelError:
        assert isinstance(budget.policy, LowBits)
        return None


def same(left: Spent, right: Spent) -> None:
    assert torch.equal(left.bytes, right.bytes)
    torch.testing.assert_close(left.output, right.output, equal_nan=True)
    torch.testing.assert_close(left.lse, right.lse, equal_nan=True)


def test_every_peer_has_a_row() -> None:
    assert set(drawn.KINDS) <= set(POLICIES)


@given(DATA)
def test_never_more_bytes_than_the_budget_but_the_latest_key(data: Any) -> None:
    asked = data.draw(drawn.requests())
    budget = data.draw(drawn.budgets(data.draw(drawn.policies(asked))))
    found = attempt(asked, budget)
    if found is None:
        return
    dims = asked.key.shape[3], asked.value.shape[3]
    counts = drawn.seen(asked).sum(-1)
    each = 2.0 * sum(dims)
    limits = counts.double().apply_(lambda count: budget.bytes(int(count), *dims))
    least = torch.where(counts > 0, each, 0.0)
    assert found.bytes.shape == counts.shape
    assert found.bytes.dtype == torch.float64
    assert bool((found.bytes <= torch.maximum(limits, least) * (1 + 1e-9)).all())
    assert bool((found.bytes >= torch.minimum(least, limits) - 1e-9).all())
    assert found.full == each * asked.place.key_len
    assert found.output.shape == asked.output_shape
    assert found.output.dtype == asked.query.dtype


@given(DATA)
def test_a_whole_budget_is_exact(data: Any) -> None:
    asked = data.draw(drawn.requests())
    policy = data.draw(drawn.policies(asked))
    budget = data.draw(st.sampled_from([Budget(fraction=1.0, policy=policy), Budget(keys=99, policy=policy)]))
    true = comparison.truth(asked, gradients=False)
    with torch.no_grad():
        found = spend(asked, budget)
    noise = 1e-12 * (1 + true.largest_score)
    comparison.hold("output", found.output, true.output, noise)
    comparison.hold("lse", found.lse, true.lse, noise)


@given(DATA)
def test_what_is_dropped_only_takes_from_the_sum(data: Any) -> None:
    asked = data.draw(drawn.requests())
    budget = data.draw(drawn.budgets(data.draw(drawn.policies(asked, drawn.DROPPERS))))
    true = comparison.truth(asked, gradients=False)
    with torch.no_grad():
        found = spend(asked, budget)
    assert bool((found.lse <= true.lse + 1e-9 * (1 + true.largest_score)).all())
    assert not bool(found.output.isnan().any())


@given(DATA)
def test_a_query_is_untouched_by_keys_that_it_may_not_see(data: Any) -> None:
    """NaN in keys and values that one query may not see changes nothing of that query."""
    asked = data.draw(drawn.requests())
    budget = data.draw(drawn.budgets(data.draw(drawn.policies(asked))))
    clean = attempt(asked, budget)
    if clean is None or not clean.lse.numel():
        return
    row = data.draw(st.integers(0, asked.place.query_len - 1))
    hidden = ~drawn.seen(asked)[:, :, row, :, None]
    spoilt = replace(
        asked,
        key=torch.where(hidden, torch.nan, asked.key.detach()),
        value=torch.where(hidden, torch.nan, asked.value.detach()),
    )
    found = attempt(spoilt, budget)
    assert found is not None
    assert torch.equal(found.bytes[:, :, row], clean.bytes[:, :, row])
    torch.testing.assert_close(found.output[:, :, row], clean.output[:, :, row])
    torch.testing.assert_close(found.lse[:, :, row], clean.lse[:, :, row])


def sample(mask: Mask | None = None, queries: int = 12, keys: int = 40, batch: int = 3, **more: Any) -> Request:
    source = torch.Generator().manual_seed(9)
    shapes = ((batch, 4, queries, 8), (batch, 2, keys, 8), (batch, 2, keys, 8))
    return request(*(torch.randn(s, generator=source, dtype=torch.float64) for s in shapes), mask=mask, **more)


def chosen(data: Any, asked: Request) -> Budget:
    policy = data.draw(drawn.policies(asked))
    return Budget(fraction=data.draw(st.sampled_from([0.3, 0.6, 0.9])), policy=policy)


@given(DATA)
def test_every_query_as_if_it_came_alone(data: Any) -> None:
    asked = sample(data.draw(st.sampled_from(POSITIONAL)))
    budget = chosen(data, asked)
    whole = attempt(asked, budget)
    row = data.draw(st.integers(0, 11))
    start = asked.place.query_start + row
    one = request(asked.query[:, :, row : row + 1], asked.key, asked.value, mask=asked.mask, query_start=start)
    alone = attempt(one, budget)
    if whole is None or alone is None:
        return
    torch.testing.assert_close(alone.output[:, :, 0], whole.output[:, :, row])
    torch.testing.assert_close(alone.lse[:, :, 0], whole.lse[:, :, row])
    assert torch.equal(alone.bytes[:, :, 0], whole.bytes[:, :, row])


@given(DATA)
def test_cut_into_parts_of_one_query(data: Any) -> None:
    asked = sample(data.draw(st.sampled_from(POSITIONAL)))
    budget = chosen(data, asked)
    whole = attempt(asked, budget)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(call, "SCRATCH", 1)
        parts = attempt(asked, budget)
    assert (whole is None) == (parts is None)
    if whole is not None and parts is not None:
        same(whole, parts)


@given(DATA)
def test_items_of_a_batch_do_not_touch_each_other(data: Any) -> None:
    asked = sample(data.draw(st.sampled_from(POSITIONAL)))
    budget = chosen(data, asked)
    turned = torch.tensor([2, 0, 1])
    policy: Policy = budget.policy
    received = getattr(policy, "received", None)
    other = policy if received is None else replace(policy, received=received[turned])  # type: ignore[type-var]
    whole, found = (
        attempt(asked, budget),
        attempt(
            replace(asked, query=asked.query[turned], key=asked.key[turned], value=asked.value[turned]),
            replace(budget, policy=other),
        ),
    )
    if whole is not None and found is not None:
        same(replace(whole, output=whole.output[turned], lse=whole.lse[turned], bytes=whole.bytes[turned]), found)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", drawn.KINDS, ids=lambda kind: kind.__name__)
def test_half_types_are_computed_in_float32(kind: type[Policy], dtype: torch.dtype) -> None:
    asked = sample(Causal())
    budget = Budget(fraction=0.7, policy=drawn.one(kind, asked))
    half = [t.to(dtype) for t in (asked.query, asked.key, asked.value)]
    found = spend(request(*half, mask=Causal()), budget)
    wide = spend(request(*(t.float() for t in half), mask=Causal()), budget)
    assert found.output.dtype == dtype
    assert found.lse.dtype == torch.float32
    assert torch.equal(found.output, wide.output.to(dtype))
    assert torch.equal(found.bytes, wide.bytes)
    turned = [t.transpose(1, 2).contiguous().transpose(1, 2) for t in half]
    assert not turned[0].is_contiguous()
    assert torch.equal(spend(request(*turned, mask=Causal()), budget).output, found.output)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(spend(request(*half, mask=Causal()), budget).output, found.output)


@pytest.mark.parametrize("kind", drawn.KINDS, ids=lambda kind: kind.__name__)
def test_rows_without_a_key_are_empty_and_free(kind: type[Policy]) -> None:
    asked = sample(Padding(torch.tensor([40, 0, 40]), torch.tensor([12, 12, 3])))
    found = spend(asked, Budget(fraction=0.8, policy=drawn.one(kind, asked)))
    for item, rows in ((1, slice(None)), (2, slice(3, None))):
        assert not bool(found.output[item, :, rows].any())
        assert not bool(found.bytes[item, :, rows].any())
        assert bool(torch.isneginf(found.lse[item, :, rows]).all())
    assert bool(found.bytes[0].all())
    assert bool(found.output[0].isfinite().all())


@pytest.mark.parametrize("shape", [(0, 5, 5), (2, 0, 5), (2, 5, 0), (2, 1, 1)])
@pytest.mark.parametrize("kind", drawn.KINDS, ids=lambda kind: kind.__name__)
def test_lengths_of_0_and_1(kind: type[Policy], shape: tuple[int, int, int]) -> None:
    batch, queries, keys = shape
    asked = sample(None, queries, keys, batch)
    found = spend(asked, Budget(fraction=1.0, policy=drawn.one(kind, asked)))
    assert found.output.shape == asked.output_shape
    assert found.bytes.shape == (batch, 2, queries)
    torch.testing.assert_close(found.output, dense.run(asked)[0])


def test_a_nan_that_a_query_may_see_is_seen() -> None:
    asked = sample(Causal())
    asked.value[1, 0, 39, 2] = torch.nan
    for kind in drawn.KINDS:
        found = spend(asked, Budget(fraction=1.0, policy=drawn.one(kind, asked))).output.isnan()
        assert bool(found[1, :2, 11, 2].all())
        assert int(found.sum()) == 2


@pytest.mark.parametrize("fraction", [0.4, 0.8])
@pytest.mark.parametrize("kind", drawn.KINDS, ids=lambda kind: kind.__name__)
def test_the_future_leaves_no_trace(kind: type[Policy], fraction: float) -> None:
    """Whatever stands behind a query's own position, within its newest block too, is never looked at: not by a group
    of two heads, not in a summary, not in a basis."""
    asked = sample(Causal(), queries=20)
    if kind is LowBits:
        fraction = max(0.7, fraction)
    budget = Budget(fraction=fraction, policy=drawn.one(kind, asked))
    whole = spend(asked, budget)
    for row in (0, 6, 12, 13):
        future = torch.arange(40) > 20 + row
        for what in (torch.nan, 1e3):
            key, value = (t.index_fill(2, future.nonzero()[:, 0], what) for t in (asked.key, asked.value))
            found = spend(replace(asked, key=key, value=value), budget)
            torch.testing.assert_close(found.output[:, :, row], whole.output[:, :, row])
            torch.testing.assert_close(found.lse[:, :, row], whole.lse[:, :, row])


@pytest.mark.parametrize("kind", drawn.KINDS, ids=lambda kind: kind.__name__)
def test_keys_of_no_numbers(kind: type[Policy]) -> None:
    asked = request(torch.ones(1, 2, 3, 0), torch.ones(1, 1, 8, 0), torch.eye(8)[None, None], mask=Causal())
    policy = LowBits(8, 0) if kind is LowBits else drawn.one(kind, asked)
    found = spend(asked, Budget(fraction=0.7 if kind is not LowBits else 1.0, policy=policy))
    for row, weights in enumerate(found.output[0, 0]):
        assert weights.sum().item() == pytest.approx(1)
        assert len(weights[weights > 1e-6].unique()) <= 2  # read, or but for its share of a mean value
        assert not bool(weights[6 + row :].any())
