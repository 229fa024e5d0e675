"""How a call is cut: runs of queries in order, no more at once than the scratch holds, keys up to the last seen."""

from __future__ import annotations

import pytest
import torch

from regard.kernels.policies import call, spend
from regard.spec import Budget, Causal, Padding, Request, WindowSinks, request


def asked(queries: int, keys: int, **more: object) -> Request:
    return request(torch.ones(1, 4, queries, 8), torch.ones(1, 2, keys, 8), torch.ones(1, 2, keys, 8), **more)  # type: ignore[arg-type]


def parts(of: Request, fraction: float = 0.25) -> list[call.Part]:
    return list(call.Call.of(of, Budget(fraction=fraction, policy=WindowSinks())).parts())


def test_runs_of_queries_follow_each_other_and_stay_within_the_scratch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call, "SCRATCH", 1 << 20)
    found = parts(asked(300, 512))
    assert [row for part in found for row in part.rows] == list(range(300))
    # a query has 3 tiles of 4 x 512 scores, and gathers 129 keys and values of 2 heads
    assert max(len(part.rows) for part in found) == (1 << 18) // (3 * 4 * 512 + 2 * 129 * 16)


def test_one_part_where_all_fits_and_one_query_where_nothing_does(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [part.rows for part in parts(asked(20, 50))] == [range(20)]
    monkeypatch.setattr(call, "SCRATCH", 1)
    assert [part.rows for part in parts(asked(3, 50))] == [range(1), range(1, 2), range(2, 3)]


def test_keys_behind_the_last_seen_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call, "SCRATCH", 1)
    assert [part.keys for part in parts(asked(3, 50, mask=Causal()))] == [48, 49, 50]
    assert [part.keys for part in parts(asked(2, 50, mask=Padding(torch.tensor([7]))))] == [7, 7]
    assert [part.keys for part in parts(asked(1, 50, mask=Padding(torch.tensor([0]))))] == [1]


def test_a_causal_mask_is_laid_out_once_for_all_heads() -> None:
    (part,) = parts(asked(3, 5, mask=Causal()))
    assert part.allowed.shape == (1, 1, 1, 3, 5)
    assert part.count.tolist() == [[[3, 4, 5]]]
    assert part.order()[0, 0, 0].tolist() == [1, 2, 3, 3, 3]


def test_numbers_without_width_cost_nothing() -> None:
    empty = request(torch.ones(1, 1, 2, 0), torch.ones(1, 1, 3, 0), torch.ones(1, 1, 3, 0))
    found = spend(empty, Budget(keys=1, policy=WindowSinks()))
    assert found.bytes.tolist() == [[[0.0, 0.0]]]
    assert found.full == 0
    assert found.output.shape == (1, 1, 2, 0)
