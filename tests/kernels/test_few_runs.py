"""Which keys few queries may see, as runs and bytes."""

from __future__ import annotations

import pytest
import torch

from regard.kernels import few_runs
from regard.kernels.few_runs import Runs
from regard.spec import Causal, Dense, Mask, Padding, Prefix, Request, Sinks, Window, request


def asked(mask: Mask | None, queries: int = 2, keys: int = 12) -> Request:
    return request(torch.ones(2, 2, queries, 1), torch.ones(2, 2, keys, 1), torch.ones(2, 2, keys, 1), mask=mask)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(few_runs, "SHORTEST", 4)
    monkeypatch.setattr(few_runs, "ASKED", 3)


@pytest.mark.parametrize("mask", [None, Prefix(12), Window(20, 0) & Prefix(40)])
def test_where_all_may_be_seen_there_is_one_run(mask: Mask | None) -> None:
    """The first of two queries at keys 10 and 11 does not see key 11 under a window."""
    found = Runs.of(asked(mask, queries=1))
    assert found.pieces == (0, 12, -1)
    assert (found.keys, found.allowed.numel()) == (12, 0)


def test_a_window_alone_is_read() -> None:
    found = Runs.of(asked(Window(3, 0), queries=1))
    assert found.pieces == (8, 12, -1)


def test_only_the_end_of_a_causal_mask_is_looked_at_key_by_key() -> None:
    """Queries at 10 and 11; 11 is not seen by the first."""
    found = Runs.of(asked(Causal()))
    assert found.pieces == (0, 8, -1, 8, 12, 0)
    assert found.allowed.tolist() == [[[[1, 1, 1, 0], [1, 1, 1, 1]]]]


def test_what_nobody_sees_is_left_out() -> None:
    found = Runs.of(asked(Sinks(2) | Window(1, 0), queries=1))
    assert found.pieces == (0, 4, 0, 8, 12, 4)
    assert found.keys == 8
    assert found.allowed.flatten().tolist() == [1, 1, 0, 0, 0, 0, 1, 1]


def test_items_and_heads_apart() -> None:
    assert Runs.of(asked(Padding(torch.tensor([3, 12])))).allowed.shape[:3] == (2, 1, 2)
    dense = Dense(torch.arange(2 * 2 * 2 * 12).view(2, 2, 2, 12) % 5 > 1)
    found = Runs.of(asked(dense))
    assert found.pieces == (0, 12, 0)
    assert torch.equal(found.allowed.bool(), dense.allowed)


def test_nothing_at_all() -> None:
    assert Runs.of(asked(~Prefix(12))).keys == 0
    assert Runs.of(asked(Prefix(0))).keys == 0
