"""Calls that cross many tiles: tiles are made small, so that partial ones stand at every edge."""

from __future__ import annotations

import pytest
import torch
from tests.cases import TABLE
from tests.comparison import check, truth
from torch import Tensor

from regard.kernels import additive, tiles
from regard.kernels.row import Row
from regard.spec import (
    Additive,
    ALiBi,
    Causal,
    Dense,
    Dilated,
    Documents,
    Mask,
    Padding,
    Place,
    Prefix,
    RelativeBias,
    ScaledDot,
    Score,
    SinkLogits,
    Sinks,
    Window,
    request,
)

BATCH, HEADS, KV_HEADS, QUERIES, KEYS, DIM = 2, 4, 2, 29, 137, 3
TILED = [row for row in TABLE if row.name in ("streaming", "additive")]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles of 8 x 64: 29 queries are 8 + 8 + 8 + 5, and 137 keys are 64 + 64 + 9; pieces of the additive score hold
    3 queries: 3 + 3 + 2 and 3 + 2."""
    monkeypatch.setattr(tiles, "TILE_SCORES", 1)
    monkeypatch.setattr(additive, "CELLS", 3 * 64 * DIM)


def masks() -> dict[str, Mask | None]:
    source = torch.Generator().manual_seed(2)
    ids = torch.randint(0, 3, (BATCH, KEYS), generator=source).sort(-1).values
    return {
        "no mask": None,
        "causal": Causal(),
        "window": Window(40, 0),
        "sinks and window": Sinks(5) | Window(20, 3),
        "prefix": Prefix(64),
        "padding": Padding(torch.tensor([70, 128]), torch.tensor([29, 16])),
        "documents": Documents(ids[:, -QUERIES:], ids),
        "dilated": Dilated(70, 136),
        "dense": Dense(torch.rand(BATCH, HEADS, QUERIES, KEYS, generator=source) > 0.7),
        "holes": ~(Window(30, 30) | Prefix(3)) & Causal(),
        "the last key alone": ~Prefix(KEYS - 1),
    }


def inputs(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    source = torch.Generator().manual_seed(1)
    shapes = ((BATCH, HEADS, QUERIES, DIM), (BATCH, KV_HEADS, KEYS, DIM), (BATCH, KV_HEADS, KEYS, 5))
    q, k, v = (torch.randn(s, generator=source, dtype=torch.float64).to(dtype).requires_grad_() for s in shapes)
    return q, k, v


def score_of(row: Row, dtype: torch.dtype) -> Score:
    vector = torch.linspace(-1, 2, HEADS * DIM, dtype=dtype).view(HEADS, DIM).requires_grad_()
    return ScaledDot(softcap=3.0) if ScaledDot in row.scores else Additive(vector)


def biases(dtype: torch.dtype) -> tuple[object, ...]:
    source = torch.Generator().manual_seed(3)
    table = torch.randn(HEADS, 21, generator=source, dtype=torch.float64).to(dtype).requires_grad_()
    full = torch.randn(1, HEADS, QUERIES, KEYS, generator=source, dtype=torch.float64).to(dtype).requires_grad_()
    sink = torch.randn(HEADS, generator=source, dtype=torch.float64).to(dtype).requires_grad_()
    return ALiBi.for_heads(HEADS), RelativeBias(table), full, SinkLogits(sink)


@pytest.mark.parametrize("start", [None, 0, -20, 60])
@pytest.mark.parametrize("mask", masks())
@pytest.mark.parametrize("row", TILED, ids=lambda row: row.name)
def test_many_tiles(row: Row, mask: str, start: int | None) -> None:
    for dtype in (torch.float64, torch.bfloat16):
        for bias in ((), biases(dtype)):
            q, k, v = inputs(dtype)
            more = {"score": score_of(row, dtype), "mask": masks()[mask], "bias": bias, "query_start": start}
            asked = request(q, k, v, **more)  # type: ignore[arg-type]
            check(row, asked, truth(asked))


@pytest.mark.parametrize("row", TILED, ids=lambda row: row.name)
def test_inputs_beyond_the_exponentials_in_many_pieces(row: Row) -> None:
    q, k, v = inputs(torch.float64)
    big = (20 * q.detach()).requires_grad_()
    asked = request(big, k, v, score=score_of(row, torch.float64), mask=masks()["holes"])
    check(row, asked, truth(asked))


def test_tiles_cover_every_allowed_pair_once_and_skip_the_rest() -> None:
    place = Place(BATCH, HEADS, QUERIES, KEYS, KEYS - QUERIES, torch.device("cpu"))
    assert [len(rows) for rows in tiles.row_tiles(place)] == [8, 8, 8, 5]
    for mask in masks().values():
        covered = torch.zeros(QUERIES, KEYS, dtype=torch.int64)
        names = set()
        for rows in tiles.row_tiles(place):
            for tile in tiles.tiles(rows, place, mask):
                covered[tile.rows.start : tile.rows.stop, tile.cols.start : tile.cols.stop] += 1
                names.add(tile.index)
                assert mask is None or tile.mixed or mask.tile(tile.rows, tile.cols, place).all()
        whole = torch.ones(QUERIES, KEYS, dtype=torch.bool)
        allowed = whole if mask is None else mask.dense(place).expand(BATCH, HEADS, -1, -1).any(0).any(0)
        assert covered.max() <= 1
        assert (covered[allowed] == 1).all()
        assert len(names) == sum(1 for rows in tiles.row_tiles(place) for _ in tiles.tiles(rows, place, mask))


def test_a_window_skips_the_tiles_it_does_not_touch() -> None:
    """The last 29 of 137 keys are queries, each with 10 keys before it: the first 64 keys are never read."""
    place = Place(BATCH, HEADS, QUERIES, KEYS, KEYS - QUERIES, torch.device("cpu"))
    cols = [t.cols for rows in tiles.row_tiles(place) for t in tiles.tiles(rows, place, Window(10, 0))]
    assert min(c.start for c in cols) == 64
    assert {c for c in cols if c.start == 64} == {range(64, 128)}


def test_tiles_are_large_where_sizes_are_and_small_where_lanes_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "TILE_SCORES", 1 << 20)
    cpu = torch.device("cpu")
    wide = Place(1, 8, 5000, 5000, 0, cpu)
    assert [len(r) for r in tiles.row_tiles(wide)][:1] == [128]
    assert len(next(tiles.tiles(range(128), wide, None)).cols) == 1024
    crowded = Place(64, 16, 5000, 5000, 0, cpu)  # 1,024 lanes of 1,024 scores are the whole budget of a tile
    assert [len(r) for r in tiles.row_tiles(crowded)][:1] == [8]
    assert len(next(tiles.tiles(range(8), crowded, None)).cols) == 128
