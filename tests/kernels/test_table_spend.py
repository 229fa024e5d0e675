"""What calls under a budget cost, worked out by hand, and the rows of the table that are for them.

The call: 2 items, 6 query heads on 2 key heads, 4 queries, 128 keys of 8 numbers with values of 24, in float32: 6,144
scores, 4 lanes of 4 queries each. A key with its value takes 64 bytes of a 16-bit cache, all of them 8,192.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tests.focus_cases import HALF, POLICY, asked, call, inputs

from regard.kernels import focus_tiles, layout, tiled
from regard.kernels.cost import Cost
from regard.kernels.policies import spend
from regard.kernels.row import Row
from regard.kernels.sketch import Sketch
from regard.kernels.table import TABLE
from regard.kernels.table_spend import SPEND_ROWS, focus_cost, run, run_tiles, tiles_cost
from regard.spec import Budget, Causal, Focus, Request, Window, WindowSinks, request


def ask(queries: int = 4, keys: int = 128, **more: object) -> Request:
    tensors = torch.zeros(2, 6, queries, 8), torch.zeros(2, 2, keys, 8), torch.zeros(2, 2, keys, 24)
    return request(*tensors, **more)  # type: ignore[arg-type]


def named(name: str) -> Row:
    return next(row for row in SPEND_ROWS if row.name == name)


@pytest.mark.parametrize(
    ("policy", "rank", "share"),
    [
        (Focus(), 1, 0.5),  # half a bit of each of 8 dimensions is one number; twice as many keys at 8 bits
        (Focus(sketch=2.0, bits=16), 4, 0.25),
        (Focus(bits=4), 1, 1.0),
        (WindowSinks(), 8, 0.25),  # a policy without a sketch: as if it looked at all of each key
    ],
    ids=["8 bits", "16 bits", "4 bits", "another policy"],
)
def test_the_cost_of_a_call_under_a_budget(policy: Focus, rank: int, share: float) -> None:
    """A quarter of the bytes. Each score takes `rank` multiply-adds, each key that is read 8 + 24 more. 16 times 128
    keys are moved, 4 bytes for a number of the sketch and 5 for one that is read: a byte, and its float32."""
    cost = focus_cost(ask(budget=Budget(fraction=0.25, policy=policy)))
    cells = 6144
    assert cost == Cost(
        2 * cells * (rank + share * 32), 16 * 128 * (4 * rank + share * 5 * 32), 16 * 1536, 0.0, cells, 16.0
    )


def test_the_cost_follows_the_budget_in_keys() -> None:
    quarter, keys = (focus_cost(ask(budget=budget)) for budget in (Budget(fraction=0.25), Budget(keys=32)))
    assert quarter == keys
    assert focus_cost(ask(budget=Budget(keys=999))) == focus_cost(ask(budget=Budget(fraction=1.0)))


def test_without_a_budget_there_is_a_number_all_the_same() -> None:
    assert focus_cost(ask()) == Cost(2 * 6144 * 8, 0.0, 0.0, 0.0, 6144)
    whole = float(2 * 6 * 64 * 128)
    assert tiles_cost(ask(64)) == Cost(whole * 64, 0.0, 0.0, 0.0, whole)


def test_lengths_of_0_cost_nothing() -> None:
    for cost in (focus_cost, tiles_cost):
        for budget in (None, HALF):
            assert cost(ask(0, 0, budget=budget)).flops == 0


def test_the_cost_of_tiles_is_that_of_what_the_mask_leaves() -> None:
    """A quarter of the scores are computed; those of 32 of a tile's 85 queries judge too."""
    for mask in (None, Causal(), Window(200, 0)):
        made = ask(1024, 1024, mask=mask, budget=Budget(fraction=0.25))
        left = layout.work(made, focus_tiles.TALL // 3, tiled.WIDTH)
        cost = tiles_cost(made)
        assert cost.flops == 2 * left.cells * 0.25 * 32
        assert cost.cells == left.cells * (0.25 + 32 * 3 / 256)
        assert cost.steps == left.strips
        assert cost.extra_bytes == 4 * (2 * 6 * 1024 * 8 + 2 * 2 * 1024 * 32)
        assert cost.square_bytes == 0
    whole, half = (tiles_cost(ask(1024, 1024, mask=m, budget=HALF)).flops for m in (None, Causal()))
    assert 0.4 * whole < half < 0.7 * whole


def test_the_rows_are_in_the_table_once() -> None:
    names = [row.name for row in TABLE]
    assert [names.count(row.name) for row in SPEND_ROWS] == [1] * len(SPEND_ROWS)
    assert {row.name for row in SPEND_ROWS} == {"focus", "focus-tiles", "policies"}
    assert Focus not in named("policies").policies
    assert all(row.policies == (Focus,) for row in TABLE if row.name != "policies")


def test_running_a_row_is_spending() -> None:
    made = call(asked(Causal()))
    kept = replace(made.request, budget=HALF, kept=made.sketch)
    found = spend(kept, HALF, made.sketch)
    output, lse = run(kept)
    assert torch.equal(output, found.output)
    assert torch.equal(lse, found.lse)
    peer = Budget(fraction=0.5, policy=WindowSinks())
    output, lse = run(asked(Causal(), budget=peer))
    assert torch.equal(output, spend(asked(Causal()), peer).output)


def test_tiles_keep_a_sketch_up_to_date_too() -> None:
    q, k, v = inputs(queries=40)
    kept = Sketch.of(k[:, :, :96], v[:, :, :96], query=q, policy=POLICY)
    output, lse = run_tiles(request(q, k, v, budget=HALF, kept=kept))
    assert kept.length == 152
    assert output.shape == (2, 6, 40, 23)
    assert lse.shape == (2, 6, 40)
