"""What is measured of one call: where queries look and what policies make of them, held against whole sums."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from regard.allocate import measuring
from regard.allocate.measuring import Asked, Measured, drawn, moves, relative, sights, sketched, unbudgeted
from regard.kernels import reference
from regard.kernels.policies import spend
from regard.kernels.sketch import Sketch
from regard.spec import ALiBi, Causal, Dense, Focus, MinMaxBlocks, Request, SinkLogits, Window, WindowSinks, request
from regard.spec.budget import Budget

POLICIES = (WindowSinks(), MinMaxBlocks(4))


def asked(length: int = 40, **more: object) -> Request:
    source = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, heads, length, 8, generator=source) * 2 for heads in (4, 2, 2))
    return request(q, k, v, **{"mask": Causal(), **more})  # type: ignore[arg-type]


def measured(made: Request, what: Asked, *, past: Tensor | None = None) -> Measured:
    """The figures of a call at queries of its second half."""
    exact = torch.as_tensor(reference.steps(made).output).to(made.query.dtype)
    found = what.measured(made, exact, first=made.place.query_len // 2, past=past)
    assert found is not None
    return found


def test_queries_are_drawn_evenly_in_stretches() -> None:
    found = drawn(1000, 16, seed=1, first=500)
    assert [len(part) for part in found] == [4, 4, 4, 4]
    parts = [(500, 625), (625, 750), (750, 875), (875, 1000)]
    assert all(low <= part.start and part.stop <= high for part, (low, high) in zip(found, parts, strict=True))
    assert found == drawn(1000, 16, seed=1, first=500) != drawn(1000, 16, seed=2, first=500)


@pytest.mark.parametrize(
    ("length", "count", "first", "expected"),
    [
        (0, 4, 0, []),
        (1, 4, 1, []),
        (1, 4, 0, [range(1)]),
        (8, 4, 4, [range(4, 8)]),
        (8, 9, 4, [range(4, 8)]),  # no more than there are
        (9, 9, 0, [range(3), range(3, 6), range(6, 9)]),
    ],
)
def test_few_queries(length: int, count: int, first: int, expected: list[range]) -> None:
    assert drawn(length, count, seed=0, first=first) == expected


@pytest.mark.parametrize("mask", [Causal(), Window(80, 0), None], ids=str)
def test_sights_are_means_over_the_rows(mask: object) -> None:
    """100 queries, of which 70 and 99 are asked about."""
    made = asked(100, mask=mask)
    rows = [70, 99]
    weights = torch.as_tensor(reference.steps(made).weights)[0][:, rows]  # (heads, 2, keys)
    entropy = -(weights * weights.clamp_min(1e-300).log()).sum(-1)
    keys = torch.arange(100)
    near = torch.stack([((row - keys) <= 63) & (keys <= row) for row in rows])
    truth = {
        "breadth": entropy.exp().mean(-1),
        "distance": torch.stack([(weights[:, at] * (row - keys).abs()).sum(-1) for at, row in enumerate(rows)]).mean(0),
        "first": weights[..., :4].sum(-1).mean(-1),
        "latest": (weights * near).sum(-1).mean(-1),
    }
    found = sights(made, torch.tensor(rows))
    assert found["lse"].tolist() == pytest.approx(
        torch.as_tensor(reference.steps(made).lse)[0][:, rows].mean(-1).tolist()
    )
    for name, figure in truth.items():
        assert found[name].tolist() == pytest.approx(figure.tolist(), rel=1e-4, abs=1e-6), name


def test_queries_that_may_attend_to_nothing_tell_nothing() -> None:
    allowed = torch.ones(10, 10, dtype=torch.bool).tril()
    allowed[9] = False
    found = sights(asked(10, mask=Dense(allowed)), torch.tensor([8, 9]))
    alone = sights(asked(10, mask=Dense(allowed)), torch.tensor([8]))
    for name, figure in found.items():
        assert torch.isfinite(figure).all()
        assert torch.allclose(figure, alone[name]), name


def test_relative_errors_by_hand() -> None:
    exact = torch.tensor([[[[3.0, 4.0], [0.0, 0.0], [0.0, 2.0]]]])
    output = torch.tensor([[[[3.0, 1.0], [0.0, 0.0], [0.0, 0.0]]]])
    assert relative(output, exact).tolist() == [[[0.6, 0.0, 1.0]]]


def test_curves_are_means_over_the_queries_and_the_heads_that_share_a_key_head() -> None:
    """Against each query by itself, as if it were decoded."""
    made = asked(64)
    seen = measured(made, Asked(POLICIES, (0.2, 0.5), queries=8, seed=3))
    found, rows = seen.figures, seen.rows.tolist()
    assert rows == [row for part in drawn(64, 8, seed=3, first=32) for row in part]
    exact = torch.as_tensor(reference.steps(made).output)
    for at, policy in enumerate(POLICIES):
        for place, fraction in enumerate((0.2, 0.5)):
            errors, read, deltas = [], [], []
            for row in rows:
                alone = replace(
                    made, query=made.query[:, :, row : row + 1], place=replace(made.place, query_len=1, query_start=row)
                )
                spent = spend(alone, Budget(fraction=fraction, policy=policy))
                errors.append(relative(spent.output, exact[:, :, row : row + 1])[0, :, 0])
                read.append(spent.bytes[0, :, 0])
                deltas.append(spent.output[:, :, 0] - exact[:, :, row])
            each = torch.stack(errors).view(len(rows), 2, 2)  # (rows, kv_heads, groups)
            assert found["error"][:, at, place].tolist() == pytest.approx(each.mean((0, 2)).tolist(), rel=1e-4)
            assert found["square"][:, at, place].tolist() == pytest.approx((each**2).mean((0, 2)).tolist(), rel=1e-4)
            share = (found["share"][:, at, place] * found["full"]).tolist()
            assert share == pytest.approx(torch.stack(read).mean(0).tolist(), rel=0.03)
            delta = seen.deltas[:, :, :, 2 * at + place]
            torch.testing.assert_close(delta.double(), torch.stack(deltas, 2).double(), rtol=1e-3, atol=1e-4)


def test_what_a_query_may_see_is_what_its_budget_counts_against() -> None:
    """Behind a window of 10 keys, everything is 10 keys of 16 numbers at 2 bytes; those before cost nothing."""
    found = measured(asked(40, mask=Window(9, 0)), Asked(POLICIES, (0.5,), queries=4, seed=0))
    assert found.figures["full"].tolist() == [10 * 32.0] * 2


@pytest.mark.parametrize("before", [0, 7])
def test_a_sketch_is_made_of_what_was_asked_before(monkeypatch: pytest.MonkeyPatch, before: int) -> None:
    """Once for all fractions of a stretch, by the queries before it, and of the keys up to it."""
    seen = []
    real = Sketch.of

    def of(key: Tensor, value: Tensor, *, query: Tensor, policy: Focus) -> Sketch:
        seen.append((key.shape[2], query.shape[2], policy))
        return real(key, value, query=query, policy=policy)

    monkeypatch.setattr(measuring.Sketch, "of", of)
    policy, made = Focus(grain=8), asked(100)
    past = made.query[:, :, :before] if before else None
    found = measured(made, Asked((WindowSinks(), policy), (0.3, 0.6, 0.9), queries=8, seed=0), past=past).figures
    first, second = drawn(100, 8, seed=0, first=50)
    assert seen == [(part.stop, part.start + before, policy) for part in (first, second)]
    assert found["error"].shape == (2, 2, 3)
    assert bool((found["share"] <= torch.tensor([0.3, 0.6, 0.9]) * 1.1).all())


def test_where_there_can_be_no_sketch_the_curve_is_that_of_window_and_sinks() -> None:
    """40 keys are no whole block of 64; and before the first query nothing was asked."""
    assert sketched(asked(40), asked(40).query, Focus()) is None
    assert sketched(asked(100), asked(100).query[:, :, :0], Focus()) is None
    found = measured(asked(40), Asked((WindowSinks(), Focus()), (0.3,), queries=4, seed=0)).figures
    assert torch.equal(found["error"][:, 0], found["error"][:, 1])


@pytest.mark.parametrize("empty", ["queries", "keys"])
def test_a_call_without_queries_or_keys_has_no_figures(empty: str) -> None:
    made = asked(40)
    none = {"queries": {"query_len": 0}, "keys": {"key_len": 0}}[empty]
    made = replace(made, place=replace(made.place, **none))
    assert Asked(POLICIES, (0.5,), queries=4, seed=0).measured(made, made.query, first=0) is None


@pytest.mark.parametrize(
    ("made", "said"), [(asked(bias=ALiBi(torch.ones(4))), "adds biases"), (replace(asked(), dropout=0.5), "at random")]
)
def test_what_cannot_be_budgeted_is_told(made: Request, said: str) -> None:
    assert said in str(unbudgeted(made))


def test_a_sink_is_no_hindrance() -> None:
    made = asked(bias=SinkLogits(torch.arange(4.0)))
    assert unbudgeted(made) is None
    assert measured(made, Asked(POLICIES, (0.5,), queries=4, seed=0)).figures["error"].shape == (2, 2, 1)


def test_the_comparison_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy whose output is the exact one has no error to measure."""

    def exact(made: Request, budget: Budget, sketch: object) -> object:
        output: Tensor = torch.as_tensor(reference.steps(made).output).float()
        return replace(spend(made, budget), output=output), None

    monkeypatch.setattr(measuring, "kept_to", exact)
    found = measured(asked(), Asked(POLICIES, (0.2,), queries=4, seed=0))
    assert float(found.figures["error"].max()) < 1e-5
    assert float(found.deltas.abs().max()) < 1e-5


@pytest.mark.parametrize(
    ("length", "mask", "moved"),
    [
        (8, Window(7, 0), False),
        (9, Window(7, 0), True),
        (9, Causal(), False),
        (9, None, False),
        (9, Window(3, 3), True),
    ],
    ids=str,
)
def test_a_window_moves_once_it_has_left_the_first_key_behind(length: int, mask: object, moved: bool) -> None:
    assert moves(asked(length, mask=mask)) == moved


def test_where_keys_move_focus_is_what_use_makes_of_it() -> None:
    made, focus = asked(120, mask=Window(63, 0)), Focus(grain=4, sketch=1.0, exact=2, first=1)
    exact = torch.as_tensor(reference.steps(made).output).to(made.query.dtype)
    what = Asked((WindowSinks(), focus), (0.8,), 8, seed=1)
    there, here = (what.measured(made, exact, first=90, moving=moving) for moving in (False, True))
    assert there is not None
    assert here is not None
    assert torch.equal(here.deltas[:, :, :, 0], here.deltas[:, :, :, 1])
    assert torch.equal(here.deltas[:, :, :, 0], there.deltas[:, :, :, 0])
    assert not torch.equal(there.deltas[:, :, :, 0], there.deltas[:, :, :, 1])
