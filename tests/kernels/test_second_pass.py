"""The pass over tiles: what the tallies are shown, how often, and what they are spared."""

from __future__ import annotations

import pytest
import torch
from tests import cases
from tests.observed import figures
from torch import Tensor

from regard.kernels import layout, second_pass
from regard.kernels.additive import AdditiveTiles
from regard.kernels.dot_tiles import DotTiles
from regard.kernels.tallies import Piece
from regard.spec import Causal, Request, Window, request

ALL = tuple(range(cases.HEADS))


class Shown:
    """A tally that remembers what it was shown: weights, how often each was, and the sizes of the tiles."""

    def __init__(self, asked: Request, heads: int, queries: int, width: int = 1024) -> None:
        place = asked.place
        self.width = width
        self.weights = torch.zeros(place.batch, heads, queries, place.key_len, dtype=torch.float64)
        self.times = torch.zeros(self.weights.shape, dtype=torch.int64)
        self.sizes: list[tuple[int, int, int]] = []

    def add(self, piece: Piece) -> None:
        spot = (piece.lane.batch, list(piece.lane.slots), piece.chunk.part, slice(piece.cols.start, piece.cols.stop))
        self.weights[spot] = piece.weights.view(piece.apart).double()
        self.times[spot] += 1
        self.sizes.append(piece.apart)
        torch.testing.assert_close(piece.logs.exp2(), piece.weights)


def run(
    asked: Request,
    heads: tuple[int, ...] = ALL,
    queries: Tensor | None = None,
    keys: range | None = None,
    width: int = 1024,
) -> Shown:
    chosen = torch.arange(asked.place.query_len) if queries is None else queries
    shown, ready = Shown(asked, len(heads), len(chosen), width), second_pass.made(asked)
    lse = figures(asked).lse.to(ready.query.dtype)
    span = asked.place.cols if keys is None else keys
    second_pass.run(asked, ready, lse, [shown], queries=chosen, heads=heads, keys=span)
    return shown


@pytest.mark.parametrize("heads", [ALL, (5, 0, 1), ()], ids=str)
@pytest.mark.parametrize("mask", cases.masks())
def test_every_weight_is_shown_once(mask: str, heads: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "GRAIN", 4)
    monkeypatch.setattr(second_pass, "CELLS", 24)
    monkeypatch.setattr(second_pass, "LEAST", 4)
    for score, bias in (("scaled", "all at once"), ("softcap", "float mask"), ("additive", "no bias")):
        asked = cases.asked(score, mask, bias)
        shown = run(asked, heads, width=6)
        torch.testing.assert_close(shown.weights, figures(asked, heads).weights, rtol=1e-12, atol=1e-300)
        assert int(shown.times.max() if heads else 0) <= 1
        assert all(cols <= 6 and count * lanes <= 4 for lanes, count, cols in shown.sizes)


def test_only_the_keys_asked_about_are_read() -> None:
    asked = cases.asked("scaled", "causal")
    shown = run(asked, (3,), torch.tensor([1, 5]), range(4, 9))
    assert shown.times[..., :4].sum() == shown.times[..., 9:].sum() == 0
    assert (shown.times[..., 4:9] == 1).all()
    assert shown.sizes == [(1, 2, 5)] * 2  # one tile for each batch item


def test_blocks_that_the_mask_rules_out_are_never_made() -> None:
    """4,096 queries under a window of 256: at most 2 of 16 blocks of 256 keys, save at a chunk's edges."""
    q = torch.zeros(1, 1, 4096, 1)
    asked = request(q, q, q, mask=Causal() & Window(255, 0))
    ready = second_pass.made(asked)

    class Cells:
        width, seen = 1024, 0

        def add(self, piece: Piece) -> None:
            self.seen += piece.weights.numel()

    cells = Cells()
    lse = torch.arange(1.0, 4097.0).clamp_max(256.0).log()[None, None]
    second_pass.run(asked, ready, lse, [cells], queries=torch.arange(4096), heads=(0,), keys=range(4096))
    assert 4096 * 256 <= cells.seen <= 4096 * (512 + 256)  # chunks of 512 queries see 256 keys more than their own


def test_the_widest_tally_sets_the_width_and_all_see_the_same_tiles() -> None:
    q = torch.randn(1, 2, 3, 4)
    k = torch.randn(1, 1, 3000, 4)
    asked = request(q, k, k)
    narrow, wide = Shown(asked, 2, 3, 1024), Shown(asked, 2, 3, 2048)
    lse = figures(asked).lse.float()
    second_pass.run(
        asked, second_pass.made(asked), lse, [narrow, wide], queries=torch.arange(3), heads=(0, 1), keys=range(3000)
    )
    assert narrow.sizes == wide.sizes == [(2, 3, 2048), (2, 3, 952)]
    assert torch.equal(narrow.weights, wide.weights)


def test_no_tile_is_larger_than_the_buffer_of_many_heads_that_share_a_key_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """6 heads of one key head, 13 keys: even one query's tile of 78 weights exceeds the 24 asked for."""
    monkeypatch.setattr(second_pass, "CELLS", 24)
    monkeypatch.setattr(second_pass, "LEAST", 4)
    q, k, v = (t.detach() for t in cases.inputs(torch.float64))
    asked = request(q, k[:, :1], v[:, :1])
    shown = run(asked)
    assert set(shown.sizes) == {(6, 1, 13)}
    torch.testing.assert_close(shown.weights, figures(asked).weights)


def test_made_takes_every_score_in_float32_at_least() -> None:
    for name in cases.scores(torch.bfloat16):
        made = second_pass.made(cases.asked(name, dtype=torch.bfloat16))
        assert made.query.dtype == made.key.dtype == torch.float32
        assert isinstance(made.scores, AdditiveTiles if name.startswith("additive") else DotTiles)


def test_nothing_asked_about_shows_nothing() -> None:
    asked = cases.asked("scaled", "causal")
    for shown in (run(asked, ()), run(asked, queries=torch.arange(0)), run(asked, keys=range(3, 3))):
        assert shown.sizes == []
