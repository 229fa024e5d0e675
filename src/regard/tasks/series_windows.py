"""Stretches of series as rows: what was so far, and what came. The rows of a forecaster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regard.tasks.readers.regular import Regular
from regard.tasks.scores.forecasts import Future

Indices = NDArray[np.int64]
T = TypeVar("T", bound=np.generic)

LEAST_OBSERVED = 0.5  # share of the past's steps that must be there for a forecast


@dataclass(frozen=True)
class WindowBatch:
    """values and observed (batch, context, 1), past (batch, context, past), known (batch, context + horizon, known),
    targets (batch, horizon), units (batch,): each series' seasonal scale, times (batch, context + horizon) int64.

    counts: tokens of one row."""

    values: Tensor
    observed: Tensor
    past: Tensor
    known: Tensor
    targets: Tensor
    units: Tensor
    times: Tensor
    counts: int

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def tokens(self) -> int:
        return len(self) * self.counts

    @property
    def places(self) -> int:
        return self.tokens

    def to(self, device: torch.device) -> WindowBatch:
        """The same batch on another device."""
        values, observed, past = (one.to(device) for one in (self.values, self.observed, self.past))
        known, targets, units = (one.to(device) for one in (self.known, self.targets, self.units))
        return WindowBatch(values, observed, past, known, targets, units, self.times, self.counts)


@dataclass(frozen=True, eq=False)
class Laid:
    """Series one after the other: times, values, observed (steps,), past and known (steps, columns), and of each
    series where it begins (series + 1,), its name and its scale."""

    times: Indices
    values: NDArray[np.float64]
    observed: NDArray[np.bool_]
    past: NDArray[np.float32]
    known: NDArray[np.float32]
    starts: Indices
    names: tuple[str, ...]
    scales: NDArray[np.float64]

    def series_at(self, places: Indices) -> Indices:
        """Which series each place is of."""
        return np.searchsorted(self.starts, places, side="right") - 1


@dataclass(frozen=True, eq=False)
class WindowPart:
    """One part's windows. origins (rows,): the place of the first step that is foretold. counts:
    tokens of one row."""

    laid: Laid
    origins: Indices
    context: int
    horizon: int
    counts: int

    def __len__(self) -> int:
        return len(self.origins)

    @property
    def lengths(self) -> Indices:
        return np.full(len(self), self.counts, dtype=np.int64)

    @property
    def truths(self) -> list[Future]:
        scales = self.laid.scales[self.laid.series_at(self.origins)]
        return [Future(values, scale) for values, scale in zip(self.futures(), scales.tolist(), strict=True)]

    def futures(self) -> NDArray[np.float64]:
        """What came, (rows, horizon); 0 where that is not known yet."""
        return self._values(0, self.horizon)

    def pasts(self, *, season: int) -> NDArray[np.float64]:
        """What was, (rows, context), for methods that cannot do with gaps: a step that was not observed is told by the
        one a season before (or after) it, else by the mean of the row."""
        values, there = self._values(-self.context, 0), self._taken(self.laid.observed, -self.context, 0)
        found = np.where(there, values, np.nan)
        if there.all():
            return found
        for shift in range(season, self.context, season):
            for far, near in ((slice(None, -shift), slice(shift, None)), (slice(shift, None), slice(None, -shift))):
                lacking = np.isnan(found[:, near])
                found[:, near][lacking] = np.where(there, values, np.nan)[:, far][lacking]
        means = np.where(there, values, 0).sum(1) / there.sum(1)
        return np.where(np.isnan(found), means[:, None], found)

    def batch(self, rows: Indices) -> WindowBatch:
        """The batch of these rows, in this order."""
        laid, origins = self.laid, self.origins[rows]
        past = origins[:, None] + np.arange(-self.context, 0)
        whole = origins[:, None] + np.arange(-self.context, self.horizon)
        ahead = origins[:, None] + np.arange(self.horizon)
        return WindowBatch(
            values=torch.from_numpy(laid.values[past][..., None].astype(np.float32)),
            observed=torch.from_numpy(laid.observed[past][..., None]),
            past=torch.from_numpy(laid.past[past]),
            known=torch.from_numpy(laid.known[whole]),
            targets=torch.from_numpy(laid.values[ahead].astype(np.float32)),
            units=torch.from_numpy(laid.scales[laid.series_at(origins)].astype(np.float32)),
            times=torch.from_numpy(laid.times[whole]),
            counts=self.counts,
        )

    def _values(self, start: int, stop: int) -> NDArray[np.float64]:
        return self._taken(self.laid.values, start, stop)

    def _taken(self, flat: NDArray[T], start: int, stop: int) -> NDArray[T]:
        found: NDArray[T] = flat[self.origins[:, None] + np.arange(start, stop)]
        return found


def seasonal_error(series: Regular, stop: int, season: int) -> float | None:
    """Mean |y[t] - y[t - season]| over the first `stop` steps, where both were observed; None where there are none, or
    all are alike. Without gaps that is `scores.forecasts.seasonal_scale`."""
    values, there = series.values[:stop], series.observed[:stop]
    both = there[season:] & there[:-season]
    if not both.any():
        return None
    found = float(np.abs(values[season:] - values[:-season])[both].mean())
    return found or None


def origins_of(
    series: Sequence[Regular], spans: Sequence[tuple[int, int]], *, context: int, horizon: int, every: int, last: bool
) -> tuple[Indices, int]:
    """(the places, over all series one after the other, at which forecasts begin, how many were left out for gaps).

    spans: of each series the part [start, stop) that the future lies in; the past may reach back before it. `every` so
    many steps, counted back from the end where `last` is True, so that the last steps are always foretold. Left out
    are those whose future has a gap, and those of whose past less than half was observed.
    """
    found, left, begin = [], 0, 0
    for one, (start, stop) in zip(series, spans, strict=True):
        first, final = max(start, context), stop - horizon
        places = np.arange(first, final + 1, every) if final >= first else np.empty(0, dtype=np.int64)
        if last and len(places):
            places = final - places[::-1] + first
        there = np.concatenate([[0], np.cumsum(one.observed)])
        whole = there[places + horizon] - there[places] == horizon
        enough = there[places] - there[places - context] >= LEAST_OBSERVED * context
        left += int((~(whole & enough)).sum())
        found.append(places[whole & enough] + begin)
        begin += len(one)
    return (np.concatenate(found) if found else np.empty(0, dtype=np.int64)), left
