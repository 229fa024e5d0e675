"""The rows for GPUs: what they say of themselves, what they cost, and that no plan on a CPU takes one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tests import cases

import regard
from regard.engine import plan as planner
from regard.kernels import flex, table_gpu
from regard.kernels.cost import Cost
from regard.kernels.table import TABLE
from regard.kernels.table_gpu import GPU_ROWS, ON_A_GPU, flex_cost, guessed_s, observed_cost, windowed_cost
from regard.spec import Causal, Cosine, Documents, Mask, Request, ScaledDot, Window, request

ROWS = {row.name: row for row in GPU_ROWS}


def ask(queries: int, keys: int, mask: Mask | None = None, dim: int = 64, **more: object) -> Request:
    """2 heads over 1 key head, float32; nothing is computed."""
    shapes = ((1, 2, queries, dim), (1, 1, keys, dim), (1, 1, keys, dim))
    return request(*(torch.empty(shape, device="meta") for shape in shapes), mask=mask, **more)  # type: ignore[arg-type]


def test_the_rows() -> None:
    assert set(ROWS) == {"flex", "triton", "triton-observed"}
    assert not set(ROWS) & {row.name for row in TABLE if row not in GPU_ROWS}
    for row in GPU_ROWS:
        assert row.devices == ("cuda",)
        assert torch.float64 not in row.dtypes
        assert "not yet measured" in row.about
    assert [row.name for row in GPU_ROWS if not row.automatic] == ["triton-observed"]


def test_on_a_cpu_every_plan_names_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    q, k, v = (t.detach() for t in cases.inputs(torch.float32))
    before = regard.plan(q, k, v, mask=Causal()).kernel
    monkeypatch.setattr(planner, "TABLE", (*(row for row in TABLE if row.name not in ROWS), *GPU_ROWS))
    plan = regard.plan(q, k, v, mask=Causal())
    assert plan.kernel == before
    said = [line for line in str(plan).splitlines() if line.startswith(tuple(f"not {name}:" for name in ROWS))]
    assert len(said) == 3
    assert all("does not run on cpu" in line for line in said)


def test_where_they_run_a_window_goes_to_triton_and_documents_to_flex(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a device that computes nothing in a GPU's place."""
    table = tuple(replace(row, devices=("meta",)) for row in GPU_ROWS)
    monkeypatch.setattr(flex, "COMPILED_ON", ("meta",))
    monkeypatch.setattr(planner, "TABLE", table)
    assert planner.plan(ask(4096, 4096, Window(255, 0))).kernel == "triton"
    packed = Documents(torch.zeros(9).long())  # on the CPU, where its answers are read
    assert planner.plan(ask(9, 9, packed)).kernel == "flex"
    assert [planner.reasons(row, ask(9, 9, packed)) for row in table] == [
        (),
        ("takes windows and causal masks alone, not own document",),
        ("takes windows and causal masks alone, not own document",),
    ]


def test_by_the_guesses_sdpa_keeps_what_it_does_well_and_loses_long_windows() -> None:
    """8 heads of 64 over 8,192 tokens: causal is SDPA's own; a window is nine tenths of a dense array's work less."""
    exact = next(row for row in TABLE if row.name == "exact")
    rows = (exact, ROWS["triton"])

    def cheapest(mask: Mask, start: int) -> str:
        shape = (1, 8, 8192, 64)
        asked = request(*(torch.empty(shape, device="meta") for _ in range(3)), mask=mask, query_start=start)
        return min(rows, key=lambda row: guessed_s(row, row.cost(asked))).name

    assert cheapest(Causal(), 0) == "exact"
    assert cheapest(Window(255, 0), 0) == "triton"
    assert set(ON_A_GPU) >= {"exact", "streaming", "additive", "dense"}
    flat = Cost(2e14, 2e12, 0, 0)
    assert guessed_s(exact, flat) == pytest.approx(1 + 1 + 3e-5)
    assert guessed_s(ROWS["flex"], flat) == pytest.approx(2 + 1 + 2e-3)


def test_a_window_costs_the_blocks_in_its_reach() -> None:
    """float32 of 64: blocks of 32 x 32. 512 queries are 16 blocks; with 32 keys before, each reads two, the first one:
    31 blocks of 32 x 32 cells, 2 heads, 4 * 64 operations a cell."""
    found = windowed_cost(ask(512, 512, Window(32, 0)))
    assert found.flops == 31 * 32 * 32 * 2 * 4 * 64
    assert found.square_bytes == 0
    assert found.bytes == 4 * 64 * (1024 + 512 + 512 + 1024)  # query, key, value, output
    assert found.extra_bytes == 0
    assert windowed_cost(ask(512, 512)).flops == 512 * 512 * 2 * 4 * 64
    assert windowed_cost(ask(512, 512, Documents(torch.zeros(512).long()))).flops == 512 * 512 * 2 * 4 * 64


def test_a_backward_pass_and_a_second_round_cost_more() -> None:
    asked = ask(512, 512, Window(64, 0))
    once = windowed_cost(asked)
    trained = replace(asked, query=asked.query.clone().requires_grad_())
    assert windowed_cost(trained).flops == 3.5 * once.flops
    assert windowed_cost(trained).extra_bytes == 4 * 2 * 512  # the lse's fellow, delta
    assert observed_cost(asked).flops == 1.5 * once.flops
    assert observed_cost(asked).extra_bytes == once.extra_bytes + 4 * 2 * (2 * 512 + 512)


def test_a_cost_is_known_even_of_what_no_row_takes() -> None:
    """The planner costs every row, whatever was asked: float64, lengths of 0, no heads at all."""
    for shape in ((1, 2, 5, 3), (1, 0, 5, 3), (0, 2, 5, 3), (1, 2, 0, 3), (1, 2, 5, 0)):
        empty = torch.empty(shape, dtype=torch.float64, device="meta")
        for row in GPU_ROWS:
            assert row.cost(request(empty, empty, empty, mask=Causal())).flops >= 0


def test_flex_skips_what_the_mask_rules_out(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ask(8192, 8192, Window(255, 0))
    whole = flex_cost(asked)
    monkeypatch.setattr(flex, "COMPILED_ON", ("meta",))
    assert flex_cost(asked).flops < 0.3 * whole.flops
    assert whole.extra_bytes == 4 * 4 * 64 * 64  # lists of 64 x 64 blocks
    assert flex_cost(ask(128, 128, dim=8)).extra_bytes == 16 + 4 * 16 * (2 + 1 + 1) * 128


def test_scores_that_make_vectors_anew_take_room() -> None:
    asked = ask(128, 256)
    assert table_gpu._prepared(asked) == 0
    assert table_gpu._prepared(replace(asked, score=Cosine(2.0))) == 8 * 64 * (256 + 256)
    assert isinstance(asked.score, ScaledDot)
