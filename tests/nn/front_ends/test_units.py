"""What tokens cover: spans, boxes, stretches ahead, and parts, and how each is put into words."""

from __future__ import annotations

import pytest

from regard.nn.front_ends import Unit
from regard.nn.front_ends.units import Ahead, Grid, Parts, Spans
from regard.spec import SpecError


def bounds(units: tuple[Unit, ...]) -> list[tuple[float, ...]]:
    return [unit.bounds for unit in units]


def test_spans_without_an_end_are_just_places() -> None:
    units = Spans("token", "tokens").of(3, 3)
    assert bounds(units) == [(0, 1), (1, 2), (2, 3)]
    assert [unit.words() for unit in units] == ["token 0", "token 1", "token 2"]


def test_overlapping_spans_are_cut_at_the_end_and_at_0() -> None:
    spans = Spans("symbol", "symbols", stride=2, width=4, start=-1, ends=(6, 5))
    assert bounds(spans.of(0, 3)) == [(0, 3), (1, 5), (3, 6)]
    assert bounds(spans.of(1, 3)) == [(0, 3), (1, 5), (3, 5)]  # each item has an end of its own
    assert spans.of(0, 3)[1].words() == "symbols 1 to 4"
    assert spans.of(0, 0) == ()


def test_spans_edge_to_edge_cover_all_of_their_axis() -> None:
    # tokens centred on 0, 4, 8 of 11 places: 9 and 10 are nearest to the last of them
    spans = Spans("frame", "seconds", stride=4, width=4, start=-2, ends=(11,))
    assert bounds(spans.of(0, 3)) == [(0, 2), (2, 6), (6, 11)]
    assert bounds(spans.of(0, 2)) == [(0, 2), (2, 6)]  # the first of them alone reach no further
    assert spans.of(0, 3)[1].words() == "2.00-6.00 s"


def test_a_grid_is_row_by_row() -> None:
    grid = Grid((2, 3), Spans("patch", "pixels", 4, 4, ends=(8,)), Spans("patch", "pixels", 5, 5, ends=(15,)))
    assert bounds(grid.of(0, 6)) == [
        *((0, 0, 5, 4), (5, 0, 10, 4), (10, 0, 15, 4)),
        *((0, 4, 5, 8), (5, 4, 10, 8), (10, 4, 15, 8)),
    ]
    assert grid.of(0, 6)[4].words() == "pixels 5-10 across, 4-8 down"
    assert grid.of(0, 2) == grid.of(0, 6)[:2]


def test_what_lies_ahead_is_counted_on() -> None:
    units = Ahead(Spans("step", "steps", 3, 3, ends=(7,)), 3, Spans("step", "steps", 3, 3, ends=(4,)), at=7)
    assert bounds(units.of(0, 5)) == [(0, 3), (3, 6), (6, 7), (7, 10), (10, 11)]
    assert bounds(units.of(0, 2)) == [(0, 3), (3, 6)]


def test_parts_carry_their_names_and_each_items_own_counts() -> None:
    parts = Parts({"picture": Spans("patch", "pixels"), "text": Spans("token", "tokens")}, ((2, 1), (2, 0)))
    assert [(unit.part, unit.bounds) for unit in parts.of(0, 3)] == [
        *(("picture", (0, 1)), ("picture", (1, 2)), ("text", (0, 1)))
    ]
    assert [unit.part for unit in parts.of(1, 2)] == ["picture", "picture"]
    assert parts.of(0, 3)[2].words() == "text: token 0"
    with pytest.raises(SpecError, match="counts of 1 parts were expected"):
        Parts({"text": Spans("token", "tokens")}, ((2, 1),))
