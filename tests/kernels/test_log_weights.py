"""Tiles of log2 weights: how a call is cut into lanes, chunks and spans, and what stands in a tile."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from tests import cases
from tests.observed import figures
from torch import Tensor

from regard.kernels import layout, log_weights, second_pass
from regard.kernels.log_weights import LOG2E, LOW, Chunk, Lane, LogWeights
from regard.spec import Causal, Dense, Mask, Padding, Place, Prefix, Request, TensorBias, Window, request
from regard.spec.mask import Block

CPU = torch.device("cpu")


def test_lanes_are_batch_items_times_key_heads() -> None:
    """6 query heads, 2 a key head; of the heads 4, 1, 5 asked about, 4 and 5 share key head 2."""
    place = Place(2, 6, 3, 3, 0, CPU)
    assert log_weights.lanes(place, 3, (4, 1, 5)) == [
        Lane(0, 0, (1,), (1,)),
        Lane(0, 2, (4, 5), (0, 2)),
        Lane(1, 0, (1,), (1,)),
        Lane(1, 2, (4, 5), (0, 2)),
    ]
    assert log_weights.lanes(place, 3, ()) == []
    assert log_weights.lanes(Place(0, 6, 3, 3, 0, CPU), 3, (0,)) == []
    assert log_weights.lanes(Place(1, 0, 3, 3, 0, CPU), 0, ()) == []


def test_chunks_of_queries_side_by_side() -> None:
    found = log_weights.chunks(torch.arange(3, 10), 3, 2048)
    assert [(c.part, c.rows, c.picked, c.count) for c in found] == [
        (slice(0, 3), range(3, 6), None, 3),
        (slice(3, 6), range(6, 9), None, 3),
        (slice(6, 7), range(9, 10), None, 1),
    ]
    assert log_weights.chunks(torch.arange(0), 3, 2048) == []


def test_chunks_of_queries_picked_here_and_there() -> None:
    """A chunk spans at most 2,048 queries."""
    found = log_weights.chunks(torch.tensor([1, 4, 2048, 2049, 5000]), 100, 2048)
    assert [c.rows for c in found] == [range(1, 2049), range(2049, 2050), range(5000, 5001)]
    assert found[0].picked is not None
    assert found[0].picked.tolist() == [0, 3, 2047]
    assert [c.picked for c in found[1:]] == [None, None]
    assert [c.part for c in found] == [slice(0, 3), slice(3, 4), slice(4, 5)]


def test_runs() -> None:
    assert list(log_weights.runs(range(3, 10), 3)) == [range(3, 6), range(6, 9), range(9, 10)]
    assert list(log_weights.runs(range(3, 3), 3)) == []


MASKS: dict[str, Mask | None] = {
    "none": None,
    "causal": Causal(),
    "a window": Window(3, 0),
    "a prefix of one block": Prefix(4),
    "two ends": Prefix(4) | ~Prefix(20),
    "nothing": ~Prefix(99),
    "padding": Padding(torch.tensor([9, 2])),
    "dense": Dense(cases.ints(2, 2, 2, 23, 23, seed=1) > 0),
}


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("keys", [range(23), range(0), range(5, 17), range(22, 23)], ids=str)
@pytest.mark.parametrize("width", [4, 8, 100])
def test_spans_hold_every_allowed_pair_and_are_what_they_say(
    mask: str, keys: range, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "GRAIN", 4)
    q, k = torch.ones(2, 2, 23, 1), torch.ones(2, 2, 23, 1)
    asked = request(q, k, k, mask=MASKS[mask])
    weights = LogWeights.of(asked, second_pass.made(asked), None)
    for chunk in log_weights.chunks(torch.arange(23), 6, 2048):
        spans = list(weights.spans(chunk, keys, width))
        allowed = torch.ones(2, 2, 23, 23, dtype=torch.bool)
        if asked.mask is not None:
            allowed = asked.mask.dense(asked.place).expand(2, 2, 23, 23)
        allowed = allowed[:, :, chunk.rows.start : chunk.rows.stop]
        covered = torch.zeros(23, dtype=torch.int64)
        for cols, answer in spans:
            assert keys.start <= cols.start < cols.stop <= keys.stop
            assert len(cols) <= width
            assert answer is not Block.NONE
            assert answer is Block.MIXED or bool(allowed[..., cols.start : cols.stop].all())
            covered[cols.start : cols.stop] += 1
        assert covered.max() <= 1
        outside = torch.ones(23, dtype=torch.bool)
        outside[keys.start : keys.stop] = False
        assert not covered[outside].any()
        assert not allowed[..., (covered == 0) & ~outside].any()
        assert all(a.stop <= b.start for (a, _), (b, _) in pairwise(spans))
    if mask == "nothing":
        assert spans == []


def tiles_of(asked: Request, heads: tuple[int, ...], queries: Tensor) -> Tensor:
    """(batch, heads, n, key_len) weights put together from tiles of 5 keys; 0 where no tile lies."""
    ready, place = second_pass.made(asked), asked.place
    lse = figures(asked).lse.to(ready.query.dtype)
    weights = LogWeights.of(asked, ready, lse)
    found = ready.query.new_zeros(place.batch, len(heads), len(queries), place.key_len)
    for chunk in log_weights.chunks(queries, 3, 2048):
        for lane in log_weights.lanes(place, ready.key.shape[1], heads):
            rows = weights.rows(lane, chunk)
            assert rows.shape[:2] == (len(lane.heads), chunk.count)
            for cols, answer in weights.spans(chunk, place.cols, 5):
                tile = weights.tile(lane, chunk, rows, cols, answer)
                assert tile.shape == (len(lane.heads) * chunk.count, len(cols))
                shown = tile.exp2().view(len(lane.heads), chunk.count, len(cols))
                found[lane.batch, list(lane.slots), chunk.part, cols.start : cols.stop] = shown
    return found


@pytest.mark.parametrize("heads", [(0, 1, 2, 3, 4, 5), (5, 0, 4), (0, 2, 1), (2,), ()], ids=str)
@pytest.mark.parametrize("queries", [[0, 1, 2, 3, 4, 5, 6], [0, 3, 6], [5], []], ids=str)
@pytest.mark.parametrize("score", ["scaled", "softcap", "additive a head"])
def test_tiles_of_any_heads_and_queries_are_the_weights(
    score: str, queries: list[int], heads: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "GRAIN", 5)
    for mask in ("sinks and window", "documents", "dense", "thin dense"):
        asked = cases.asked(score, mask, "all at once")
        chosen = torch.tensor(queries, dtype=torch.int64)
        true = figures(asked, heads, chosen).weights
        torch.testing.assert_close(tiles_of(asked, heads, chosen), true, rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("heads", [(0, 3, 2), (1, 0, 3), (3, 0), (2, 1, 0, 3)], ids=str)
def test_heads_of_one_key_head_in_any_order(heads: tuple[int, ...]) -> None:
    """(0, 3, 2) spans as many heads as it names from its first to its last, yet 1 is not among them."""
    q, k = cases.floats(1, 4, 3, 2, seed=1).detach(), cases.floats(1, 1, 5, 2, seed=2).detach()
    asked = request(q, k, k)
    chosen = torch.arange(3)
    torch.testing.assert_close(tiles_of(asked, heads, chosen), figures(asked, heads, chosen).weights)


def test_without_an_lse_a_tile_is_the_score_in_log2() -> None:
    """The second query is on key 1: key 2 is forbidden to it."""
    q, k = torch.tensor([[[[1.0], [2.0]]]]), torch.tensor([[[[3.0], [5.0], [7.0]]]])
    asked = request(q, k, k, mask=Causal(), query_start=0, bias=torch.tensor([[0.0, 1.0, 2.0]] * 2))
    weights = LogWeights.of(asked, second_pass.made(asked), None)
    (chunk,), (lane,) = log_weights.chunks(torch.arange(2), 8, 2048), log_weights.lanes(asked.place, 1, (0,))
    tile = weights.tile(lane, chunk, weights.rows(lane, chunk), range(3), Block.MIXED) / LOG2E
    torch.testing.assert_close(tile[1, :2], torch.tensor([6.0, 11.0]))
    torch.testing.assert_close(tile[0, 0], torch.tensor(3.0))
    assert bool((tile[[0, 0, 1], [1, 2, 2]] < -LOW / 2).all())


def test_a_tile_is_never_minus_infinity() -> None:
    """0 times infinity is NaN: forbidden entries stand at about -LOW, whatever forbids them."""
    for mask, bias in (("nothing", "no bias"), ("causal", "float mask"), ("documents", "all at once")):
        asked = cases.asked("scaled", mask, bias)
        for answer in (Block.MIXED, Block.ALL):
            weights = LogWeights.of(asked, second_pass.made(asked), figures(asked).lse)
            for chunk in log_weights.chunks(torch.arange(7), 7, 2048):
                for lane in log_weights.lanes(asked.place, 3, tuple(range(6))):
                    tile = weights.tile(lane, chunk, weights.rows(lane, chunk), range(13), answer)
                    assert torch.isfinite(tile).all()


@pytest.mark.parametrize("relative", [False, True])
def test_what_a_mask_lays_out_is_kept_for_the_lanes_and_along_the_diagonal(
    relative: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """7 queries in chunks of 2, 2, 2 and 1, 4 keys in blocks of 2, each for 2 batch items x 2 key heads. Query 0 stands
    on key 0: two blocks on the diagonal are mixed, and alike; below it all is allowed, from query 4 on as well."""
    monkeypatch.setattr(layout, "GRAIN", 2)
    mask = Causal() if relative else Causal() & Prefix(99)
    q, k = torch.randn(2, 2, 7, 3), torch.randn(2, 2, 4, 3)
    asked, seen = request(q, k, k, mask=mask, query_start=0), []
    original = Causal.tile

    def counted(self: Causal, rows: range, cols: range, place: Place) -> Tensor:
        seen.append((rows, cols))
        return original(self, rows, cols, place)

    weights = LogWeights.of(asked, second_pass.made(asked), None)
    monkeypatch.setattr(Causal, "tile", counted)
    for chunk in log_weights.chunks(torch.arange(7), 2, 2048):
        for lane in log_weights.lanes(asked.place, 2, (0, 1)):
            rows = weights.rows(lane, chunk)
            for cols, answer in weights.spans(chunk, asked.place.cols, 2):
                tile = weights.tile(lane, chunk, rows, cols, answer)
                allowed = original(Causal(), chunk.rows, cols, asked.place)
                assert torch.equal(tile > -LOW / 2, allowed)
    assert seen == [(range(2), range(2)), (range(2, 4), range(2, 4))][: 1 if relative else 2]


@pytest.mark.parametrize("what", [torch.nan, torch.inf, -torch.inf, 3e38])
def test_calls_that_are_not_tame(what: float) -> None:
    """Adding -LOW would not forbid such a score; a forbidden entry is written over instead."""
    q, k, v = (t.detach() for t in cases.inputs(torch.float32))
    clean = request(q, k, v, bias=TensorBias(torch.zeros(13)[None]))
    assert LogWeights.of(clean, second_pass.made(clean), None).tame
    bias = torch.zeros(1, 13)
    bias[0, 3] = what
    for spoilt in (
        request(q.index_fill(2, torch.tensor([1]), what), k, v),
        request(q, k.index_fill(2, torch.tensor([1]), what), v),
        request(q, k, v, bias=bias),
    ):
        tame = LogWeights.of(spoilt, second_pass.made(spoilt), None).tame
        assert tame == (bool(spoilt.biases) and what == -torch.inf)  # a bias of -inf is clamped to -LOW by itself


def test_nothing_is_differentiated() -> None:
    asked = cases.asked("additive a head", "causal", "all at once")
    assert asked.query.requires_grad
    weights = LogWeights.of(asked, second_pass.made(asked), torch.zeros(2, 6, 7, requires_grad=True))
    assert weights.lse is not None
    assert not any(t.requires_grad for t in (weights.made.query, weights.made.key, *weights.made.learned, weights.lse))


def test_a_chunk_counts_its_queries() -> None:
    assert Chunk(slice(4, 9), range(100), torch.arange(0, 50, 10)).count == 5
