"""Every mask against a literal formula in plain Python, entry by entry, and its `block` answers against the tile.

Sizes are distinct primes where a mask lets them be, so that no axis can stand in for another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from regard.spec import Block, Causal, Dense, Dilated, Documents, Grid2D, Mask, Padding, Place, Prefix, Sinks, Window

BATCH, HEADS, QUERIES, KEYS = 2, 3, 7, 15  # 15 keys are a grid of 3 x 5
GRID = (3, 5)
Allowed = Callable[[int, int, int, int, int], bool]  # (b, h, i, j, position of query i)


class Case(NamedTuple):
    """A mask, and what it means in one line of Python."""

    mask: Mask
    allowed: Allowed


def place_at(start: int) -> Place:
    return Place(BATCH, HEADS, QUERIES, KEYS, start, torch.device("cpu"))


def literal(case: Case, rows: range, cols: range, place: Place) -> torch.Tensor:
    """(batch, heads, len(rows), len(cols)) bool, one Python call an entry."""
    return torch.tensor(
        [
            [
                [[case.allowed(b, h, i, j, place.query_start + i) for j in cols] for i in rows]
                for h in range(place.heads)
            ]
            for b in range(place.batch)
        ]
    )


def whole(tile: torch.Tensor, rows: range, cols: range, place: Place) -> torch.Tensor:
    assert tile.dtype == torch.bool
    return tile.expand(place.batch, place.heads, len(rows), len(cols))


def causal() -> Case:
    return Case(Causal(), lambda b, h, i, j, p: j <= p)


def window(before: int, after: int) -> Case:
    return Case(Window(before, after), lambda b, h, i, j, p: p - before <= j <= p + after)


def sinks(n: int) -> Case:
    return Case(Sinks(n), lambda b, h, i, j, p: j < n and j <= p)


def prefix(n: int) -> Case:
    return Case(Prefix(n), lambda b, h, i, j, p: j < n)


def dilated(step: int, before: int, after: int) -> Case:
    return Case(
        Dilated(step, before, after),
        lambda b, h, i, j, p: j in range(p, p - before - 1, -step) or (j in range(p, p + after + 1, step)),
    )


def grid(reach: int) -> Case:
    height, width = GRID
    return Case(
        Grid2D(height, width, reach),
        lambda b, h, i, j, p: max(abs(p // width - j // width), abs(p % width - j % width)) <= reach,
    )


def padding(keys: Sequence[int], queries: Sequence[int] | None) -> Case:
    mask = Padding(torch.tensor(keys), None if queries is None else torch.tensor(queries, dtype=torch.int32))
    return Case(mask, lambda b, h, i, j, p: j < keys[b] and (queries is None or i < queries[b]))


def documents(queries: Sequence[Sequence[int]], keys: Sequence[Sequence[int]], flat: bool) -> Case:
    """`flat` drops the axis of batch size 1 where there is one."""
    given = [torch.tensor(ids)[0] if flat and len(ids) == 1 else torch.tensor(ids) for ids in (queries, keys)]
    return Case(
        Documents(given[0], given[1]),
        lambda b, h, i, j, p: queries[b if len(queries) > 1 else 0][i] == keys[b if len(keys) > 1 else 0][j],
    )


def dense(shape: tuple[int, ...], seed: int) -> Case:
    table = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < 0.7
    full = table.expand(BATCH, HEADS, QUERIES, KEYS).tolist()
    return Case(Dense(table), lambda b, h, i, j, p: full[b][h][i][j])


DENSE_SHAPES = [(7, 15), (1, 15), (7, 1), (2, 1, 7, 15), (1, 3, 1, 15), (2, 3, 7, 1), (1, 1, 1, 1)]
TABLE = [
    causal(),
    window(0, 0),
    window(2, 1),
    window(0, 30),
    sinks(0),
    sinks(4),
    sinks(99),
    prefix(0),
    prefix(5),
    prefix(99),
    dilated(1, 3, 2),
    dilated(3, 7, 0),
    dilated(2, 5, 5),
    grid(0),
    grid(1),
    grid(4),
    padding([15, 4], None),
    padding([0, 11], [7, 3]),
    documents([[1] * 4 + [2] * 3], [[1] * 9 + [2] * 6], flat=True),
    documents([[1] * 7], [[1] * 9 + [2] * 6], flat=False),
    documents([[5, 5, 1, 1, 1, 2, 2], [0] * 7], [[1] * 15, [0, 3, 0] * 5], flat=False),
    documents([[5, 5, 1, 1, 1, 2, 2], [0] * 7], [[5] * 15], flat=True),
    *(dense(shape, seed=n) for n, shape in enumerate(DENSE_SHAPES)),
]


@pytest.mark.parametrize("start", [-30, -3, 0, 2, 8, 13, 40])
@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.mask.words())
def test_tile_is_the_literal_formula(case: Case, start: int) -> None:
    place = place_at(start)
    for rows, cols in ((place.rows, place.cols), (range(2, 5), range(3, 14)), (range(6, 7), range(1))):
        assert torch.equal(
            whole(case.mask.tile(rows, cols, place), rows, cols, place), literal(case, rows, cols, place)
        )


def test_the_literal_comparison_can_fail() -> None:
    wrong = Case(Window(2, 0), lambda b, h, i, j, p: p - 1 <= j <= p)
    place = place_at(3)
    found = whole(wrong.mask.tile(place.rows, place.cols, place), place.rows, place.cols, place)
    assert not torch.equal(found, literal(wrong, place.rows, place.cols, place))


small = st.integers(0, 20)
lengths = st.lists(st.integers(0, KEYS), min_size=BATCH, max_size=BATCH)


def ids(length: int) -> st.SearchStrategy[list[list[int]]]:
    """Ids of one or BATCH sequences, sorted or not."""
    one = st.lists(st.integers(0, 2), min_size=length, max_size=length)
    return st.sampled_from([1, BATCH]).flatmap(lambda n: st.lists(one | one.map(sorted), min_size=n, max_size=n))


EXACT = st.one_of(  # masks whose block answers ALL and NONE whenever that is so
    st.builds(causal),
    st.builds(window, small, small),
    st.builds(sinks, small),
    st.builds(prefix, small),
    st.builds(dilated, st.integers(1, 6), small, small),
    st.builds(padding, lengths, st.none() | lengths.map(lambda many: [min(n, QUERIES) for n in many])),
    st.builds(dense, st.sampled_from(DENSE_SHAPES), st.integers(0, 99)),
)
LEAVES = EXACT | st.one_of(
    st.builds(grid, st.integers(0, 5)),
    st.builds(documents, ids(QUERIES), ids(KEYS), st.booleans()),
)


def _both(left: Case, right: Case) -> Case:
    return Case(left.mask & right.mask, lambda *at: left.allowed(*at) and right.allowed(*at))


def _either(left: Case, right: Case) -> Case:
    return Case(left.mask | right.mask, lambda *at: left.allowed(*at) or right.allowed(*at))


def _not(inner: Case) -> Case:
    return Case(~inner.mask, lambda *at: not inner.allowed(*at))


EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.builds(_both, inner, inner) | st.builds(_either, inner, inner) | st.builds(_not, inner),
    max_leaves=5,
)
STARTS = st.integers(-20, 20) | st.just(KEYS - QUERIES)


def blocks(length: int) -> st.SearchStrategy[range]:
    """Every range of at least one index under `length`."""
    return st.tuples(st.integers(0, length - 1), st.integers(1, length)).map(
        lambda ends: range(ends[0], max(ends[0] + 1, ends[1]))
    )


def truth(allowed: torch.Tensor) -> Block:
    return Block.ALL if bool(allowed.all()) else Block.MIXED if bool(allowed.any()) else Block.NONE


@settings(deadline=None, max_examples=400)
@given(case=EXPRESSIONS, start=STARTS, rows=blocks(QUERIES), cols=blocks(KEYS))
def test_any_expression_is_literal_and_its_blocks_are_sound(case: Case, start: int, rows: range, cols: range) -> None:
    place = place_at(start)
    expected = literal(case, rows, cols, place)
    assert torch.equal(whole(case.mask.tile(rows, cols, place), rows, cols, place), expected)
    assert case.mask.block(rows, cols, place) in (truth(expected), Block.MIXED)


@settings(deadline=None, max_examples=400)
@given(case=EXACT, start=STARTS, rows=blocks(QUERIES), cols=blocks(KEYS))
def test_simple_masks_never_say_mixed_without_need(case: Case, start: int, rows: range, cols: range) -> None:
    place = place_at(start)
    assert case.mask.block(rows, cols, place) is truth(literal(case, rows, cols, place))


@settings(deadline=None)
@given(left=EXPRESSIONS, right=EXPRESSIONS, start=STARTS)
def test_the_laws_of_the_algebra(left: Case, right: Case, start: int) -> None:
    place = place_at(start)
    a, b = left.mask, right.mask

    def same(one: Mask, other: Mask) -> bool:
        found = (whole(m.tile(place.rows, place.cols, place), place.rows, place.cols, place) for m in (one, other))
        return torch.equal(*found)

    assert same(~(a & b), ~a | ~b)
    assert same(~(a | b), ~a & ~b)
    assert same(a & b, b & a)
    assert same(a | b, b | a)
    assert same(~~a, a)
    assert same(a & (a | b), a)
    assert same(a & ~a, Prefix(0))
    assert same(a | ~a, Prefix(KEYS))


@pytest.mark.parametrize("flat", [True, False])
def test_documents_answer_all_exactly_when_a_block_holds_one_document(flat: bool) -> None:
    case = documents([[1] * 4 + [2] * 3], [[1] * 9 + [2] * 6], flat)
    place = place_at(0)
    assert case.mask.block(range(4), range(9), place) is Block.ALL
    assert case.mask.block(range(4), range(9, 15), place) is Block.NONE
    assert case.mask.block(range(5), range(9), place) is Block.MIXED


def test_a_grid_skips_rows_out_of_reach_and_is_all_where_the_reach_spans_its_width() -> None:
    place = place_at(0)
    assert Grid2D(3, 5, 1).block(range(5), range(10, 15), place) is Block.NONE  # image rows 0 and 2
    assert Grid2D(3, 5, 1).block(range(5), range(5, 10), place) is Block.MIXED
    assert Grid2D(3, 5, 4).block(range(5), range(10, 15), place) is Block.ALL
