"""Which keys are picked, in numbers a person can sort, and against a sort."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.focus_ways import needed

needed()

from regard.kernels.compiled import picking  # noqa: E402
from regard.kernels.compiled.compiler import Array  # noqa: E402


def chosen(ranks: Array, wanted: int) -> list[int]:
    into = np.full(max(1, wanted), -7, np.int32)
    places, found = (np.full(len(ranks) + 1, -7, np.int32) for _ in range(2))
    count = picking.chosen(ranks, wanted, places, found, into)
    assert np.all(into[count:] == -7)
    return into[:count].tolist()


def floats(*numbers: float) -> Array:
    return np.array(numbers, np.float32)


def test_the_largest_in_the_order_of_memory() -> None:
    ranks = floats(0.1, 0.5, 0.2, 0.9, 0.3, 0.0)
    assert chosen(ranks, 3) == [1, 3, 4]
    assert chosen(ranks, 5) == [0, 1, 2, 3, 4]
    assert chosen(ranks, 6) == list(range(6))
    assert chosen(ranks, 0) == []


def test_what_is_below_0_is_never_chosen() -> None:
    assert chosen(floats(0.1, -1, 0.2, -1), 4) == [0, 2]
    assert chosen(floats(-1, -1), 1) == []


def test_of_equal_ranks_the_first() -> None:
    assert chosen(floats(0.5, 0.1, 0.5, 0.5, 0.9), 3) == [0, 2, 4]
    assert chosen(floats(0, 0, 0, 0), 2) == [0, 1]


def test_infinite_ranks_come_first() -> None:
    assert chosen(floats(1, np.inf, 2, np.inf), 3) == [1, 2, 3]


@given(
    st.lists(st.floats(0, 2.0**127, width=32) | st.sampled_from([-1.0, 0.0, 1e-45, 1.0]), min_size=1, max_size=60),
    st.integers(1, 60),
)
def test_as_a_sort_would(numbers: list[float], wanted: int) -> None:
    ranks = floats(*numbers)
    order = sorted((place for place in range(len(ranks)) if ranks[place] >= 0), key=lambda place: -ranks[place])
    assert chosen(ranks, wanted) == sorted(order[:wanted])


@pytest.mark.parametrize("kind", ["normal", "alike", "mostly closed", "misleading", "few values"])
@pytest.mark.parametrize("wanted", [1, 40, 700, 2_000, 6_000])
def test_a_guess_first_changes_nothing(kind: str, wanted: int) -> None:
    """20,001 ranks: a threshold is guessed from every ninth of them."""
    source, count = np.random.default_rng(3), 20_001
    ranks = np.exp(source.standard_normal(count)).astype(np.float32)
    if kind == "alike":
        ranks[:] = 0.25
    if kind == "mostly closed":
        ranks[source.random(count) < 0.9] = -1
    if kind == "misleading":
        ranks[::9] += 100
    if kind == "few values":
        ranks = np.round(ranks)
    open_ = np.flatnonzero(ranks >= 0)
    wanted_keys = open_[np.argsort(-ranks[open_], kind="stable")[:wanted]]
    assert chosen(ranks, wanted) == sorted(wanted_keys.tolist())


def test_the_threshold() -> None:
    """9, 7, 7, 7, 5, 1: of the three largest one lies above 7, and two are 7."""
    bits = np.array([7, 1, 9, 7, 5, 7, 99], np.int32)
    assert picking.threshold(bits, 6, 3) == (7, 2)
    assert picking.threshold(bits, 6, 6) == (1, 1)
    assert picking.threshold(bits << 12, 6, 1) == (9 << 12, 1)


# --- ranks, and what is read in any case


def test_a_single_head_ranks_by_its_weights_and_a_group_by_its_shares() -> None:
    weights, ranks = np.array([[4, 1, 3], [0.1, 0.3, 0.1]], np.float32), np.empty(3, np.float32)
    picking.ranked(weights[:1], ranks)
    np.testing.assert_array_equal(ranks, [4, 1, 3])
    picking.ranked(weights, ranks)
    np.testing.assert_allclose(ranks, [0.7, 0.725, 0.575], rtol=1e-6)
    weights[1] = 0
    picking.ranked(weights, ranks)  # a lost head has no say
    np.testing.assert_allclose(ranks, [0.5, 0.125, 0.375])


def reserved(allowed: list[int], first: int, latest: int, grain: int = 2) -> tuple[int, list[float]]:
    """Of six keys, or as many as are allowed or not."""
    ranks, held = np.full(max(6, len(allowed)), 0.5, np.float32), np.array(allowed, np.uint8)
    blocks = np.full(len(ranks) // grain, grain) if not allowed else held.reshape(-1, grain).sum(1).astype(np.int64)
    return picking.reserved(ranks, held, blocks, grain, first, latest), ranks.tolist()


F, L, A, X = float(np.float32(2e38)), float(np.float32(1e38)), float(np.float32(3e38)), -1.0


def test_the_first_and_the_latest() -> None:
    assert reserved([], 1, 2) == (0, [F, 0.5, 0.5, 0.5, L, L])
    assert reserved([], 5, 3) == (0, [F, F, F, F, F, L])
    assert reserved([], 9, 0) == (0, [F] * 6)
    assert reserved([], 0, -3) == (0, [0.5] * 6)


def test_with_a_mask_those_that_may_be_seen() -> None:
    assert reserved([0, 0, 1, 1, 1, 1], 1, 1) == (0, pytest.approx([X, X, F, 0.5, 0.5, L], rel=1e-5))
    assert reserved([1, 1, 1, 1, 0, 0], 0, 1) == (0, pytest.approx([0.5, 0.5, 0.5, L, X, X], rel=1e-5))


def test_keys_of_blocks_seen_in_part_come_before_all() -> None:
    assert reserved([1, 1, 1, 0, 1, 1], 1, 1) == (1, pytest.approx([F, 0.5, A, X, 0.5, L], rel=1e-5))
    assert reserved([1, 0, 1, 0, 0, 1], 1, 1) == (3, pytest.approx([A, X, A, X, X, A], rel=1e-5))


def test_where_not_all_fit_the_very_first_and_the_very_latest_come_before_others() -> None:
    """One key is forced; three are left of which the latest, or the first, is to be read beside it."""
    _, latest = reserved([0, 1, 1, 1, 1, 1], 0, 4)
    assert latest[2] < latest[3] < latest[4] < latest[5] < latest[1]
    _, first = reserved([0, 1, 1, 1, 1, 1], 4, 0)
    assert first[1] > first[2] > first[3] > first[4] > first[5]
