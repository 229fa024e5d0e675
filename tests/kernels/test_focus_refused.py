"""What `Focus` cannot do, and the words it says so in; what is not finite; budgets are kept to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.focus_cases import BATCH, HALF, HEADS, KEYS, POLICY, QUERIES, asked, call, inputs, normal, policy
from tests.focus_ways import only

from regard.kernels import focus
from regard.kernels.policies import spend
from regard.kernels.sketch import Sketch
from regard.spec import (
    ActivatedDot,
    Additive,
    ALiBi,
    Budget,
    Causal,
    Cosine,
    Dense,
    Focus,
    KernelError,
    Prefix,
    ScaledDot,
    ShapeError,
    SpecError,
    WindowSinks,
    request,
)


@pytest.fixture(autouse=True, params=["torch", "numba"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is said here, of both ways of computing it."""
    only(request.param, monkeypatch)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"dropout": 0.5}, "Focus takes dot products without bias or dropout: leave the budget out"),
        ({"bias": ALiBi.for_heads(HEADS)}, "without bias or dropout"),
        ({"score": Additive(torch.ones(19))}, "Focus takes dot products"),
        ({"score": ScaledDot(softcap=5.0)}, r"without a softcap, got ScaledDot\(scale=None, softcap=5.0\)"),
        ({"score": Cosine(3.0)}, "Focus takes ScaledDot, Dot and General"),
        ({"score": ActivatedDot(torch.ones(19), activation="identity")}, "Focus takes ScaledDot, Dot and General"),
    ],
    ids=lambda given: next(iter(given)) if isinstance(given, dict) else "",
)
def test_what_it_does_not_compute(more: dict[str, Any], words: str) -> None:
    with pytest.raises(KernelError, match=words):
        spend(asked(**more), HALF)


def test_a_gradient_that_is_wanted_is_refused_and_one_that_is_not_is_no_matter() -> None:
    q, k, v = inputs()
    asked = request(q, k.requires_grad_(), v)
    with pytest.raises(KernelError, match="gradient"):
        spend(asked, HALF)
    with torch.no_grad():
        assert torch.isfinite(spend(asked, HALF).output).all()


def test_a_mask_of_each_head_is_refused() -> None:
    apart = Dense(torch.arange(HEADS)[None, :, None, None] < torch.arange(KEYS))
    with pytest.raises(KernelError, match="Focus takes a mask that is the same for all heads: leave the budget out"):
        spend(asked(apart), HALF)


@pytest.mark.parametrize(
    ("budget", "more"),
    [
        (replace(HALF, fraction=0.2), {}),
        (Budget(keys=20, policy=POLICY), {}),
        (HALF, {"mask": Causal(), "query_start": 20}),  # the first query sees 21 keys
        (HALF, {"mask": Prefix(0)}),
        (Budget(fraction=0.3, policy=Focus()), {}),  # 16 keys are read again, and 29 lie behind the sketch
    ],
    ids=["a fifth", "20 keys", "few keys before a query", "no keys at all", "a short text"],
)
def test_a_budget_that_the_sketch_alone_would_spend(budget: Budget, more: dict[str, Any]) -> None:
    with pytest.raises(KernelError, match=r"Budget\(.* is less than the sketch of \d+ keys takes, with .* beside it"):
        spend(asked(**more), budget)


def test_the_least_budget_reads_the_first_keys_and_one_more() -> None:
    """2,152 bytes: 18 of 4-bit numbers and 157 times 5 + 84 / 8; 380 to turn the query, 84 of steps, 3 + 5 keys as they
    are; and three keys at 42 bytes, for 2 are the first."""
    each = 157 * (5 + 84 / 8) + 380 + 84 + (3 + 5) * 84 + 3 * 42
    full = 157 * 84
    found = spend(asked(), Budget(fraction=(each + 1) / full, policy=POLICY))
    assert found.bytes.unique().tolist() == [each]
    assert found.full == full
    with pytest.raises(KernelError, match=r"with 2 keys beside it: give more, or a policy without a sketch"):
        spend(asked(), Budget(fraction=(each - 1) / full, policy=POLICY))


def test_more_keys_outside_of_whole_blocks_than_can_be_read() -> None:
    holes = Dense((torch.arange(KEYS) % 8 != 3)[None])
    with pytest.raises(KernelError, match=r"outside of whole blocks .* give more, or a finer grain than 8"):
        spend(asked(holes), HALF)


def test_a_cache_without_a_whole_block_cannot_be_sketched() -> None:
    with pytest.raises(SpecError, match="157 keys are no whole block of 200: attend exactly until there are more"):
        spend(asked(), policy(grain=200))


def test_a_sketch_of_another_policy_or_cache_is_refused() -> None:
    made = call(asked())
    for other in (replace(POLICY, bits=4), replace(POLICY, exact=4), Focus()):
        with pytest.raises(SpecError, match=r"the sketch was made for Focus\(.*bits=8.* the budget spends by Focus\("):
            spend(made.request, replace(HALF, policy=other), made.sketch)
    short = request(*(each[:, :, :100] for each in inputs()))
    with pytest.raises(ShapeError, match="the cache that was sketched, grown"):
        spend(short, HALF, made.sketch)


@pytest.mark.parametrize("what", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("place", [3, 100, 155])
@pytest.mark.parametrize("which", ["key", "value"])
def test_what_is_not_finite_is_refused_even_if_nobody_may_see_it(which: str, place: int, what: float) -> None:
    """Place 155 lies behind the sketch."""
    hidden = Dense((torch.arange(KEYS) != place).expand(QUERIES, KEYS))
    q, k, v = inputs()
    (k if which == "key" else v)[1, 0, place, 2] = what
    with pytest.raises(SpecError, match=r"a key, value or query is not finite: .* attend exactly"):
        spend(request(q, k, v, mask=hidden), HALF)
    q, k, v = inputs()
    kept = Sketch.of(k[:, :, :96], v[:, :, :96], policy=POLICY)
    (k if which == "key" else v)[1, 0, max(place, 97), 2] = what
    with pytest.raises(SpecError, match="not finite"):
        spend(request(q, k, v, mask=hidden), HALF, kept)


def test_a_query_that_is_not_finite_teaches_no_sketch_and_is_lost_alone() -> None:
    q, k, v = inputs()
    made = call(request(q, k, v, mask=Causal()))
    lost = q.clone()
    lost[1, 4, 2] = torch.nan
    with pytest.raises(SpecError, match="query is not finite"):
        spend(request(lost, k, v, mask=Causal()), HALF)
    found = spend(request(lost, k, v, mask=Causal()), HALF, made.sketch)
    rows = torch.isnan(found.output).any(-1)
    assert rows[1, 4, 2]
    assert not rows[0].any()
    assert not rows[1, :3].any()
    assert not rows[1, 3:, [0, 1, 3, 4]].any()


@pytest.mark.parametrize("bits", [4, 8, 16])
@pytest.mark.parametrize("place", [40, 155])
def test_keys_that_nobody_may_see_leave_no_trace(place: int, bits: int) -> None:
    """Other numbers there change nothing, as long as the steps are not learnt from them."""
    hidden = Dense((torch.arange(KEYS) // 8 != place // 8).expand(QUERIES, KEYS))
    budget = policy(bits=bits)
    made = call(asked(hidden), budget)
    want = spend(made.request, budget, made.sketch)
    k, v = made.request.key.clone(), made.request.value.clone()
    some = slice(place // 8 * 8, place // 8 * 8 + 8)
    k[:, :, some], v[:, :, some] = 1e4, -1e4
    again = Sketch(made.sketch.policy, made.sketch.basis, made.sketch.shape, *empty(made.sketch))
    again.follow(k, v)
    got = spend(replace(made.request, key=k, value=v), budget, again)
    torch.testing.assert_close(got.output, want.output, rtol=0, atol=0)
    torch.testing.assert_close(got.lse, want.lse, rtol=0, atol=0)


def empty(sketch: Sketch) -> tuple[torch.Tensor, ...]:
    """The rooms of a sketch, without keys."""
    return sketch.codes[:, :, :0], sketch.keys[:, :0], sketch.values[:, :0], sketch.means[:, :0]


def test_means_beyond_half_precision_are_cut_off_there() -> None:
    q, k, v = inputs()
    for bits in (8, 16):
        found = spend(request(q, k, v * 1e6), policy(bits=bits))
        assert torch.isfinite(found.output).all()


def test_half_precision_around_it_changes_nothing() -> None:
    plain = spend(asked(), HALF)
    with torch.autocast("cpu", torch.bfloat16):
        found = spend(asked(), HALF)
    assert torch.equal(found.output, plain.output)


def test_no_queries_give_nothing() -> None:
    found = spend(request(*(each[:, :, :n] for each, n in zip(inputs(), (0, 157, 157), strict=True))), HALF)
    assert found.output.shape == (BATCH, HEADS, 0, 23)


@st.composite
def drawn(draw: Any) -> tuple[Any, Budget]:
    grain = draw(st.integers(1, 40))
    policy = Focus(
        sketch=draw(st.floats(0.05, 4)),
        grain=grain,
        bits=draw(st.sampled_from([4, 8, 16])),
        exact=draw(st.integers(0, 20)),
        first=draw(st.integers(0, 9)),
        latest=draw(st.floats(0, 1)),
    )
    keys, dim, size = draw(st.integers(grain, 200)), draw(st.integers(2, 24)), draw(st.integers(1, 24))
    groups, kv_heads, queries = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 4))
    seed = draw(st.integers(0, 99))
    tensors = (
        normal(2, groups * kv_heads, queries, dim, seed=seed),
        normal(2, kv_heads, keys, dim, seed=seed + 1),
        normal(2, kv_heads, keys, size, seed=seed + 2),
    )
    mask = draw(st.sampled_from([None, Causal(), Causal() & Prefix(keys - 1)]))
    budget = draw(
        st.builds(Budget, fraction=st.floats(0.2, 1), policy=st.just(policy))
        | st.builds(Budget, keys=st.integers(keys // 3 + 1, 2 * keys), policy=st.just(policy))
    )
    return request(*(each.float() for each in tensors), mask=mask), budget


@settings(max_examples=150)
@given(drawn())
def test_no_query_reads_more_than_its_budget(made: tuple[Any, Budget]) -> None:
    asked, budget = made
    try:
        found = spend(asked, budget)
    except KernelError:
        assume(False)
    place, dims = asked.place, (asked.key.shape[3], asked.value.shape[3])
    for row in range(place.query_len):
        seen = place.key_len
        if asked.mask is not None:
            seen = int(asked.mask.tile(range(row, row + 1), place.cols, place).sum())
        assert float(found.bytes[:, :, row].max()) <= budget.bytes(seen, *dims)
    assert torch.isfinite(found.output).all()
    # weights are shares: no output beyond the values, but for what rounding adds
    assert float(found.output.abs().max()) <= 3 * float(asked.value.abs().max()) + 1


def test_no_key_is_lost_to_rounding() -> None:
    """3,000,001 keys at 1.21875 bytes: 3,656,251.21875, which is no number of float32. 9 keys at 7 bytes are left."""
    prices, left = focus.Prices(key=1.21875, fixed=0.0, read=7.0), 3_656_251.21875 + 9 * 7
    assert prices.keys(left, 3_000_001) == 9
    assert prices.keys(left - 2**-20, 3_000_001) == 8


def test_bytes_of_a_long_cache_are_counted_to_the_last() -> None:
    """100,003 keys of 168 bytes: numbers of float32 are half a byte apart here. A tenth of one short is a key less."""
    q, k, v = torch.zeros(1, 1, 1, 40), torch.zeros(1, 1, 100_003, 40), torch.zeros(1, 1, 100_003, 44)
    budget = Budget(fraction=0.3333333, policy=replace(POLICY, grain=64))
    found = spend(request(q, k, v), budget)
    read, limit = float(found.bytes), budget.bytes(100_003, 40, 44)
    assert limit - 84 < read <= limit
    for short, less in ((-0.1, 0), (0.1, 84)):
        again = spend(request(q, k, v), replace(budget, fraction=(read - short) / found.full))
        assert float(again.bytes) == read - less


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, None),
        ({"budget": None}, "needs a budget"),
        ({"budget": Budget(fraction=0.5, policy=WindowSinks())}, "needs a budget"),
        ({"bias": ALiBi.for_heads(HEADS)}, "takes no bias"),
        ({"budget": policy(grain=80)}, "needs two blocks of 80 keys, got 157"),
    ],
    ids=str,
)
def test_fits(more: dict[str, Any], words: str | None) -> None:
    assert focus.fits(asked(**{"budget": HALF} | more)) == words


def test_keys_of_one_number_have_no_directions() -> None:
    q, k, v = inputs()
    assert focus.fits(request(q[..., :1], k[..., :1], v, budget=HALF)) == (
        "sketches keys of at least 2 dimensions, got 1"
    )
