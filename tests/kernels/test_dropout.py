"""Dropout of weights: one pattern for a call, in both passes; unbiased; and nothing at all at 0."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tests.cases import TABLE
from tests.comparison import rebuilt
from torch import Tensor

from regard.engine.attend import attend
from regard.engine.plan import plan
from regard.kernels import tiles
from regard.kernels.row import Row
from regard.spec import Additive, Causal, KernelError, Request, ScaledDot, SinkLogits, request

DROPPING = [row for row in TABLE if row.dropout]
SHARE = 0.4


def ask(row: Row, queries: int = 5, keys: int = 7, dropout: float = SHARE) -> Request:
    source = torch.Generator().manual_seed(1)
    shapes = ((2, 4, queries, 3), (2, 2, keys, 3), (2, 2, keys, 4), (queries, keys), (4,))
    q, k, v, bias, sink = (torch.randn(s, generator=source, dtype=torch.float64).requires_grad_() for s in shapes)
    vector = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64).requires_grad_()
    score = ScaledDot() if ScaledDot in row.scores else Additive(vector)
    return request(q, k, v, score=score, mask=Causal(), bias=(bias, SinkLogits(sink)), dropout=dropout)


def pattern(row: Row, seed: int, heads: int = 2, queries: int = 64, keys: int = 128) -> Tensor:
    """The weights after dropout, read off with a unit vector as each key's value: (heads, queries, keys)."""
    torch.manual_seed(seed)
    q, k, v = (
        torch.zeros(1, heads, queries, 1),
        torch.zeros(1, heads, keys, 1),
        torch.eye(keys).expand(1, heads, -1, -1),
    )
    score = ScaledDot() if ScaledDot in row.scores else Additive(torch.ones(1))
    return row.run(request(q, k, v, score=score, dropout=SHARE))[0][0]


@pytest.mark.parametrize("small_tiles", [False, True])
@pytest.mark.parametrize("row", DROPPING, ids=lambda row: row.name)
def test_both_passes_drop_the_same_weights(row: Row, small_tiles: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finite differences with a fixed seed: were the backward pass's pattern another, they would not fit."""
    if small_tiles:
        monkeypatch.setattr(tiles, "TILE_SCORES", 1)
    asked = ask(row, 11, 67) if small_tiles else ask(row)

    def run(*tensors: Tensor) -> tuple[Tensor, Tensor | None]:
        torch.manual_seed(3)
        return row.run(rebuilt(asked, tensors))

    assert torch.autograd.gradcheck(run, asked.tensors(), fast_mode=True)


@pytest.mark.parametrize("row", DROPPING, ids=lambda row: row.name)
def test_a_share_of_weights_is_dropped_and_the_others_grow(row: Row) -> None:
    """128 equal weights of 1/128: each becomes 0 or 1/128 / 0.6. Of 16,384, 40 % are 0, to within 4 deviations."""
    found = pattern(row, 0)
    kept = found != 0
    torch.testing.assert_close(found[kept], torch.full_like(found[kept], 1 / 128 / 0.6))
    deviation = (SHARE * (1 - SHARE) / found.numel()) ** 0.5
    assert abs(1 - kept.double().mean() - SHARE) < 4 * deviation
    # nothing repeats: heads, queries and keys have patterns of their own, which agree in .4² + .6² = 52 % of places
    for left, right in (
        (kept[0], kept[1]),
        (kept[:, :32], kept[:, 32:]),
        (kept[:, ::2], kept[:, 1::2]),
        (kept[..., :64], kept[..., 64:]),
        (kept[..., ::2], kept[..., 1::2]),
    ):
        assert abs((left == right).double().mean() - 0.52) < 5 * (0.52 * 0.48 / left.numel()) ** 0.5


@pytest.mark.parametrize("row", DROPPING, ids=lambda row: row.name)
def test_tiles_have_patterns_of_their_own(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "TILE_SCORES", 1)
    kept = pattern(row, 0, heads=1, queries=80)[0] != 0
    blocks = [kept[i : i + 8, j : j + 64].flatten() for i in range(0, 80, 8) for j in (0, 64)]
    assert len({tuple(block.tolist()) for block in blocks}) == len(blocks) == 20


@pytest.mark.parametrize("row", DROPPING, ids=lambda row: row.name)
def test_the_mean_over_seeds_is_the_output_without_dropout(row: Row) -> None:
    asked = ask(row)
    plain, _ = row.run(replace(asked, dropout=0.0))
    torch.manual_seed(0)
    with torch.no_grad():
        seen = torch.stack([row.run(asked)[0] for _ in range(600)])
    error = (seen.mean(0) - plain).abs()
    assert (error <= 5 * seen.std(0) / 600**0.5 + 1e-12).all()
    assert seen.std(0).max() > 0.1


@pytest.mark.parametrize("row", DROPPING, ids=lambda row: row.name)
def test_the_seed_decides(row: Row) -> None:
    assert torch.equal(pattern(row, 1), pattern(row, 1))
    assert not torch.equal(pattern(row, 1), pattern(row, 2))


@pytest.mark.parametrize("row", DROPPING, ids=lambda row: row.name)
def test_dropout_of_0_draws_nothing_and_the_lse_never_changes(row: Row) -> None:
    asked = ask(row)
    before = torch.get_rng_state()
    plain = row.run(replace(asked, dropout=0.0))
    assert torch.equal(torch.get_rng_state(), before)
    dropped = row.run(asked)
    assert not torch.equal(torch.get_rng_state(), before)
    assert torch.equal(plain[1], dropped[1])  # type: ignore[arg-type]
    assert not torch.equal(plain[0], dropped[0])


def test_no_kernel_drops_in_silence() -> None:
    """A row without dropout refuses it, and the planner passes it by."""
    asked = ask(TABLE[0])
    for row in TABLE:
        if not row.dropout:
            with pytest.raises(KernelError, match="dropout"):
                attend(asked.query, asked.key, asked.value, dropout=SHARE, kernel=row.name)
    chosen = plan(request(asked.query, asked.key, asked.value, dropout=SHARE))
    assert chosen.chosen.row.dropout
