"""Each statistic on tiles made by hand, and cut up in every way."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from regard.kernels import tallies
from regard.kernels.log_weights import Chunk, Lane
from regard.kernels.tallies import Piece, Tally

LANE = Lane(1, 0, (4, 5), (2, 0))  # batch item 1; head 4 is the third that was asked about, head 5 the first
LIKE = torch.zeros((), dtype=torch.float64)


def pieces(weights: Tensor, rows: int, cols: int, first_key: int = 0, lane: Lane = LANE) -> list[Piece]:
    """`weights` (heads, n, m) in tiles of at most rows x cols; the first column is key `first_key`."""
    made = []
    for top in range(0, weights.shape[1], rows):
        for left in range(0, weights.shape[2], cols):
            part = weights[:, top : top + rows, left : left + cols]
            chunk = Chunk(slice(top, top + part.shape[1]), range(top, top + part.shape[1]), None)
            flat = part.reshape(-1, part.shape[2]).clone()
            span = range(first_key + left, first_key + left + part.shape[2])
            made.append(Piece(lane, chunk, span, flat.log2().clamp_(min=-1e30), flat))
    return made


def told(tally: Tally, weights: Tensor, rows: int = 100, cols: int = 100, first_key: int = 0) -> None:
    for piece in pieces(weights, rows, cols, first_key):
        tally.add(piece)


def drawn(n: int, m: int, seed: int = 1, heads: int = 2) -> Tensor:
    """(heads, n, m) weights that sum to 1, a fifth of them 0."""
    source = torch.Generator().manual_seed(seed)
    raw = torch.rand(heads, n, m, generator=source, dtype=torch.float64)
    raw = raw * (torch.rand(heads, n, m, generator=source) > 0.2)
    return raw / raw.sum(-1, keepdim=True)


CUTS = pytest.mark.parametrize(("rows", "cols"), [(100, 100), (1, 1), (3, 4), (2, 7)])
A_HEAD = torch.tensor([[0.5, 0.5, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25], [0.0, 0.0, 0.0, 1.0]], dtype=torch.float64)
THREE = torch.stack((A_HEAD, A_HEAD.flip(0)))


@CUTS
def test_entropy_of_a_half_a_quarter_and_one(rows: int, cols: int) -> None:
    tally = tallies.Entropy(LIKE, 2, 3, 3)
    told(tally, THREE, rows, cols)
    halves, quarters = math.log(2), math.log(4)
    want = torch.tensor([[0.0, quarters, halves], [0.0, 0.0, 0.0], [halves, quarters, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(tally.total[1], want)
    assert not tally.total[0].any()


@CUTS
@pytest.mark.parametrize("first", [-9, -2, 0, 1, 3, 20])
@pytest.mark.parametrize("first_key", [0, 5])
def test_distance_wherever_the_queries_stand(first: int, first_key: int, rows: int, cols: int) -> None:
    """Before, among and after the keys; every other position."""
    weights, positions = drawn(5, 9), torch.arange(first, first + 10, 2)
    tally = tallies.Distance(LIKE, 2, 3, positions)
    told(tally, weights, rows, cols, first_key)
    gaps = [[abs(p - (first_key + j)) for j in range(9)] for p in positions.tolist()]
    want = (weights * torch.tensor(gaps)).sum(-1)
    torch.testing.assert_close(tally.total[1, [2, 0]], want, rtol=1e-13, atol=0)
    assert not tally.total[0].any()
    assert not tally.total[1, 1].any()


def test_distance_keeps_its_digits_far_from_position_0() -> None:
    """In float32, at a million keys: two keys beside the query, and all else far before it with no weight."""
    weights = torch.tensor([[[1e-3, 0.0, 0.999]]]).expand(2, 1, 3)
    tally = tallies.Distance(torch.zeros(()), 2, 3, torch.tensor([1_000_003]))
    told(tally, weights, first_key=1_000_000)
    torch.testing.assert_close(tally.total[1, 2], torch.tensor([1e-3 * 3 + 0.999]), rtol=1e-6, atol=0)


@CUTS
def test_received(rows: int, cols: int) -> None:
    weights = drawn(5, 9)
    plain, squared = (tallies.Received(LIKE, 2, 3, 14, squares=squares) for squares in (False, True))
    for tally in (plain, squared):
        told(tally, weights, rows, cols, first_key=3)
        torch.testing.assert_close(tally.total[1, [2, 0], 3:12], weights.sum(1))
        assert not tally.total[..., :3].any()
        assert not tally.total[..., 12:].any()
        assert not tally.total[0].any()
    assert plain.squares is None
    assert squared.squares is not None
    torch.testing.assert_close(squared.squares[1, [2, 0], 3:12], weights.square().sum(1))


@CUTS
@pytest.mark.parametrize("count", [1, 3, 9, 12])
def test_top(count: int, rows: int, cols: int) -> None:
    weights = drawn(5, 9)
    tally = tallies.Top(LIKE, 2, 3, 5, count)
    told(tally, weights, rows, cols, first_key=3)
    for slot, one in zip((2, 0), weights, strict=True):
        for row in range(5):
            order = sorted(((w, j + 3) for j, w in enumerate(one[row].tolist()) if w > 0), reverse=True)[:count]
            order += [(0.0, -1)] * (count - len(order))
            assert tally.weights[1, slot, row].tolist() == [w for w, _ in order]
            assert tally.keys[1, slot, row].tolist() == [j for _, j in order]
    assert (tally.keys[0] == -1).all()
    assert not tally.weights[1, 1].any()


@pytest.mark.parametrize("count", [1, 8, 32, 33, 64])
@pytest.mark.parametrize("width", [63, 64, 65, 200, 4096, 4097, 5000])
def test_top_of_wide_tiles(width: int, count: int) -> None:
    """Columns compete in groups of 64 where there are enough of them; twice in groups where they are thousands."""
    source = torch.Generator().manual_seed(width)
    weights = torch.stack([torch.randperm(width, generator=source) for _ in range(6)]).double().view(2, 3, width) + 1
    tally = tallies.Top(LIKE, 2, 3, 3, count)
    told(tally, weights, cols=10_000)
    best, at = weights.topk(min(count, width), -1)
    assert torch.equal(tally.weights[1, [2, 0], :, : best.shape[-1]], best)
    assert torch.equal(tally.keys[1, [2, 0], :, : best.shape[-1]], at)
    assert (tally.keys[1, [2, 0], :, best.shape[-1] :] == -1).all()


def test_the_heaviest_may_all_stand_in_one_group_of_columns() -> None:
    """Columns 5, 69, 133, ... differ by 64."""
    weights = torch.full((2, 1, 1024), 1e-9, dtype=torch.float64)
    weights[:, 0, 5::64] = torch.arange(1.0, 17.0, dtype=torch.float64)
    tally = tallies.Top(LIKE, 2, 3, 1, 4)
    told(tally, weights, cols=10_000)
    assert tally.keys[1, 2, 0].tolist() == [5 + 64 * i for i in (15, 14, 13, 12)]


def test_ties_name_different_keys() -> None:
    tally = tallies.Top(LIKE, 2, 3, 1, 4)
    told(tally, torch.full((2, 1, 200), 0.005, dtype=torch.float64), cols=70)
    assert len(set(tally.keys[1, 2, 0].tolist())) == 4
    assert (tally.weights[1, 2] == 0.005).all()


FLOWS = [
    ([0, 5], [0, 9]),
    ([0, 2, 5], [0, 4, 9]),
    ([0, 1, 2, 3, 4, 5], list(range(10))),
    ([0, 3, 5], [2, 5, 6]),
    ([0, 0, 5], [0, 3, 3, 9]),
]


@CUTS
@pytest.mark.parametrize(("row_edges", "col_edges"), FLOWS)
def test_flow(row_edges: list[int], col_edges: list[int], rows: int, cols: int) -> None:
    """Also where the edges leave keys out (queries they never do), and where a bin is empty."""
    weights, edges = drawn(5, 9), (torch.tensor(row_edges), torch.tensor(col_edges))
    plain, squared = (tallies.Flow(LIKE, 2, 3, torch.arange(5), edges, squares=squares) for squares in (False, True))
    shares = torch.stack([weights[..., a:b].sum(-1) for a, b in pairwise(col_edges)], -1)  # (heads, queries, cols)
    want = torch.stack([shares[:, a:b].sum(1) for a, b in pairwise(row_edges)], 1)
    for tally in (plain, squared):
        told(tally, weights, rows, cols)
        torch.testing.assert_close(tally.total[1, [2, 0]], want)
        assert not tally.total[0].any()
    assert plain.squares is None
    assert squared.squares is not None
    # a query's weight on a bin of keys is squared whole, however many tiles the bin lies in
    squares = torch.stack([shares[:, a:b].square().sum(1) for a, b in pairwise(row_edges)], 1)
    torch.testing.assert_close(squared.squares[1, [2, 0]], squares)


def test_flow_of_queries_here_and_there() -> None:
    weights, queries = drawn(3, 4), torch.tensor([2, 7, 9])
    tally = tallies.Flow(LIKE, 2, 3, queries, (torch.tensor([2, 6, 10]), torch.tensor([0, 4])), squares=False)
    told(tally, weights, first_key=0)
    torch.testing.assert_close(tally.total[1, 2, :, 0], torch.tensor([1.0, 2.0], dtype=torch.float64))


def test_a_tile_outside_the_maps_keys_changes_nothing() -> None:
    tally = tallies.Flow(LIKE, 2, 3, torch.arange(5), (torch.tensor([0, 5]), torch.tensor([20, 30])), squares=True)
    told(tally, drawn(5, 9))
    assert not tally.total.any()


@pytest.mark.parametrize(
    "tally",
    [
        tallies.Distance(LIKE, 2, 3, torch.arange(5)),
        tallies.Received(LIKE, 2, 3, 9, squares=True),
        tallies.Top(LIKE, 2, 3, 5, 2),
        tallies.Flow(LIKE, 2, 3, torch.arange(5), (torch.tensor([0, 5]), torch.tensor([0, 9])), squares=True),
        tallies.Entropy(LIKE, 2, 3, 5),
    ],
    ids=lambda tally: type(tally).__name__,
)
def test_no_tally_writes_over_what_others_read(tally: Tally) -> None:
    for piece in pieces(drawn(5, 9), 3, 4):
        weights = piece.weights.clone()
        if not isinstance(tally, tallies.Entropy):
            piece.logs.fill_(torch.nan)  # `Entropy` has been here: what it leaves is nobody's to read
        tally.add(piece)
        assert torch.equal(piece.weights, weights)
    assert not getattr(tally, "total", torch.zeros(1)).isnan().any()
