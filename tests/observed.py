"""The one comparator of observations: every figure against `reference.steps` (NumPy, float64).

Tolerance. The weight of a score s is exp(s - lse): off by as much, relatively, as s and the lse are off absolutely, a
few eps of the largest score S. So is every sum of positive weights (mass, distance, map), whatever its size:

    relative: max(BASE, 4 eps (1 + S)), BASE 1e-5 in float32 (half inputs are computed in it), 1e-12 in float64

which is BASE itself up to S = 20 in float32. Two figures need an absolute floor beside it:
- entropy: where one weight of a row is nearly 1 its term -w ln w is nearly 0, and off by what ln w is: 4 eps (1 + S);
- lse: a sum that is nearly 1 has a log that is nearly 0: the same floor.
A weight that float32 cannot hold (below `tiny`, 1e-38) may count as 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from regard.engine.observation import Observation, Wanted
from regard.engine.observe import statistics
from regard.kernels import layout, log_weights, reference, row_sums, second_pass, tallies
from regard.spec import Request

SMALL: list[tuple[Any, str, int]] = [
    (layout, "GRAIN", 4),
    (log_weights, "SPAN", 16),
    (row_sums, "CELLS", 24),
    (row_sums, "WIDTH", 8),
    (second_pass, "CELLS", 32),
    *((getattr(tallies, name), "width", 8) for name in ("Entropy", "Distance", "Received", "Flow")),
    (tallies.Top, "width", 8),
    (tallies.Top, "WIDE", 4),
]

BASE = {torch.float32: 1e-5, torch.float64: 1e-12}


@dataclass(frozen=True)
class Figures:
    """float64 truth for some heads and queries of one request."""

    lse: Tensor  # (batch, heads, n)
    entropy: Tensor
    distance: Tensor
    weights: Tensor  # (batch, heads, n, key_len)
    largest_score: float

    def flow(self, rows: list[int], cols: list[int], queries: Tensor) -> Tensor:
        """(batch, heads, rows, cols) weights added up between these edges, which are query and key numbers."""
        lines = [self.weights[:, :, (queries >= a) & (queries < b)].sum(2) for a, b in pairwise(rows)]
        return torch.stack([torch.stack(lines, 2)[..., a:b].sum(-1) for a, b in pairwise(cols)], -1)


def figures(asked: Request, heads: tuple[int, ...] | None = None, queries: Tensor | None = None) -> Figures:
    """Every figure, from the whole matrix."""
    found, place = reference.steps(asked), asked.place
    chosen = list(range(place.heads)) if heads is None else list(heads)
    rows = torch.arange(place.query_len) if queries is None else queries
    away = np.abs(np.arange(place.key_len)[None] - (place.query_start + np.arange(place.query_len))[:, None])
    picked = (
        torch.from_numpy(np.asarray(part))[:, chosen][:, :, rows]
        for part in (found.lse, found.entropy, (found.weights * away).sum(-1), found.weights)
    )
    scores = np.broadcast_to(found.scores, found.biased.shape)
    counted = np.abs(np.concatenate([part[found.allowed] for part in (scores, found.biased)]))
    return Figures(*picked, float(np.nan_to_num(counted, nan=0.0, posinf=0.0).max(initial=0.0)))


def hold_seen(asked: Request, seen: Observation, wanted: Wanted | None = None) -> None:
    """Raise AssertionError if any figure of `seen`, which covers every query asked about, is off."""
    wanted = wanted or Wanted()
    true = figures(asked, seen.heads, seen.queries)
    working = torch.promote_types(asked.query.dtype, torch.float32)
    floor = 4 * torch.finfo(working).eps * (1 + true.largest_score)
    bounds = max(BASE[working], floor), torch.finfo(working).tiny * max(1, asked.place.key_len)
    assert seen.heads == wanted.chosen_heads(asked.place)
    assert torch.equal(seen.queries, wanted.chosen_queries(asked.place))
    assert (seen.population, seen.query_start, seen.key_len) == (
        len(seen.queries),
        asked.place.query_start,
        asked.place.key_len,
    )
    for name, figure in (("lse", seen.lse), ("entropy", seen.entropy)):
        hold(name, figure, getattr(true, name), bounds[0], floor, working)
    hold("distance", seen.distance, true.distance, bounds[0], bounds[1] * 1e6, working)
    hold("received", seen.received, true.weights.sum(2), *bounds, working)
    assert torch.equal(seen.breadth, seen.entropy.exp())
    assert seen.received_error is None
    assert seen.map_error is None
    if wanted.top:
        _hold_top(seen, true, wanted.top, *bounds)
    else:
        assert seen.top_keys is None
        assert seen.top_weights is None
    if wanted.bins is None:
        assert (seen.map, seen.row_edges, seen.col_edges) == (None, None, None)
    else:
        assert seen.map is not None
        assert seen.row_edges is not None
        assert seen.col_edges is not None
        flow = true.flow(seen.row_edges.tolist(), seen.col_edges.tolist(), seen.queries)
        hold("map", seen.map, flow, *bounds, working)


def hold(name: str, got: Tensor, want: Tensor, relative: float, floor: float, dtype: torch.dtype) -> None:
    """Raise AssertionError unless `got`, of `dtype`, is `want` up to floor + relative * |want|; infinities alike."""
    assert got.dtype == dtype, f"{name} is {got.dtype}, expected {dtype}"
    assert got.shape == want.shape, f"{name} has shape {tuple(got.shape)}, expected {tuple(want.shape)}"
    exact, odd = got.detach().to(torch.float64), ~torch.isfinite(want)
    assert torch.equal(exact[odd], want[odd]), f"{name}: infinity or NaN in other places than expected"
    over = ((exact - want).abs() - relative * want.abs())[~odd]
    assert not over.numel() or float(over.max()) <= floor, f"{name}: off by {float(over.max()):.3g} too much"


def every_sample(asked: Request, share: float, **more: object) -> dict[tuple[int, ...], Observation]:
    """One observation for each sample that the seeds give."""
    found: dict[tuple[int, ...], Observation] = {}
    for seed in range(300):
        wanted = Wanted(sample=share, seed=seed, **more)  # type: ignore[arg-type]
        drawn = tuple(wanted.drawn(wanted.chosen_queries(asked.place)).tolist())
        if drawn not in found:
            found[drawn] = statistics(asked, wanted)
    return found


def hold_unbiased(estimates: list[Tensor], errors: list[Tensor], truth: Tensor) -> None:
    """Over all samples that are equally likely: the mean is the truth, the mean squared error is as stated."""
    torch.testing.assert_close(torch.stack(estimates).mean(0), truth, rtol=1e-9, atol=1e-12)
    spread = torch.stack([(estimate - truth).square() for estimate in estimates]).mean(0)
    torch.testing.assert_close(torch.stack(errors).square().mean(0), spread, rtol=1e-6, atol=1e-12)


def small_tiles(patch: pytest.MonkeyPatch) -> None:
    """Tiles of 3 or 4 queries and 8 keys, the mask asked about 4 keys at a time, groups of 4 columns for the top."""
    for owner, name, value in SMALL:
        patch.setattr(owner, name, value)


def _hold_top(seen: Observation, true: Figures, count: int, relative: float, tiny: float) -> None:
    """The heaviest weights in order, each that of the key named; ties may name either; what is 0 names no key."""
    assert seen.top_keys is not None
    assert seen.top_weights is not None
    keys, weights = seen.top_keys, seen.top_weights
    short = max(0, count - true.weights.shape[-1])
    heaviest = torch.nn.functional.pad(true.weights, (0, short)).sort(-1, descending=True).values[..., :count]
    hold("top weights", weights, heaviest, relative, tiny, weights.dtype)
    assert keys.dtype == torch.int64
    assert keys.shape == weights.shape
    assert torch.equal(keys < 0, weights == 0), "a key of weight 0 is named, or one with weight is not"
    assert bool((keys >= -1).all())
    assert bool((weights[..., 1:] <= weights[..., :-1]).all()), "not heaviest first"
    padded = torch.nn.functional.pad(true.weights, (0, 1))  # the last column stands for -1
    hold("weights of the top keys", weights, padded.gather(-1, keys % padded.shape[-1]), relative, tiny, weights.dtype)
    named = keys.sort(-1).values
    twice = (named[..., 1:] == named[..., :-1]) & (named[..., 1:] >= 0)
    assert not bool(twice.any()), "a key is named twice"
