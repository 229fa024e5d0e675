"""Series that are given in memory, (series, time), as windows of past and future; NaN where nothing was observed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regard.spec.errors import DataError
from regard.tasks.epochs import decided_epochs
from regard.tasks.event import Listener
from regard.tasks.given_rows import parted_rows
from regard.tasks.readers.regular import Regular
from regard.tasks.readers.times import Frequency
from regard.tasks.sections import SeriesSettings
from regard.tasks.series_data import tokens_of
from regard.tasks.series_laid import Spans, constants, laid_out
from regard.tasks.series_steps import decided_steps
from regard.tasks.series_windows import LEAST_OBSERVED, Laid, WindowPart, origins_of, seasonal_error
from regard.tasks.settings import Settings, changed
from regard.tasks.task import Prepared, Setup

Grid = NDArray[np.float64]

_STEPS = Frequency("steps", 1)
_SHOWN = 3  # refused series that a message names one by one


@dataclass(frozen=True, eq=False)
class GivenSeries:
    """values (series, time); past (series, time, columns): covariates known up to now; known (series, time + more,
    columns): those known ahead too, of at least the times of the values. Both may have no columns."""

    values: Grid
    past: Grid
    known: Grid

    def regular(self, ahead: int) -> list[Regular]:
        """Each series at its times 0, 1, ..., and `ahead` more of which only `known` tells."""
        count, steps = self.values.shape
        times = np.arange(steps + ahead)
        values = np.concatenate((self.values, np.full((count, ahead), np.nan)), 1)
        later = np.full((count, ahead, self.past.shape[2]), np.nan)
        covariates = np.concatenate((self.known[:, : len(times)], np.concatenate((self.past, later), 1)), 2)
        observed = ~np.isnan(values)
        return [
            Regular(str(at), times, np.nan_to_num(values[at]), observed[at], covariates[at].copy())
            for at in range(count)
        ]


def prepare_given_series(
    given: GivenSeries, settings: Settings, *, share: float, seed: int, listen: Listener
) -> Prepared:
    """Parts of series in memory: the last times choose the best epoch, `share` of them and at least one horizon; where
    the series are too short for that, some of the series do. There is no test part.

    Raises:
        SpecError: the share is not between 0 and 1, or settings that do not fit each other.
        DataError: no series has a stretch of past and future to train on.
    """
    settings = changed(settings, {
        "series.past": [f"past {at}" for at in range(given.past.shape[2])],
        "series.known": [f"known {at}" for at in range(given.known.shape[2])],
    })  # fmt: skip
    series, count, steps = settings.section(SeriesSettings), *given.values.shape
    horizon = int(series.horizon)
    held = max(horizon, round(share * steps)) if share else 0
    least = max(1 if asked == "auto" else asked for asked in (series.context, series.season))
    by_time = steps - held >= least + horizon
    settings = decided_steps(settings, _STEPS, longest=steps - held if by_time else steps)
    found = given.regular(0)
    train, chosen = _sides(count, steps, held, by_time=by_time, share=share, seed=seed)
    scales = [scale_of(one, stop, settings) for one, (_, stop) in zip(found, train, strict=True)]
    laid = laid_out(found, scales, settings, None)
    setup = Setup(settings, {"dates": False, **constants(laid, train)})
    parts = [_windows(found, laid, spans, settings, last=last) for spans, last in ((train, False), (chosen, True))]
    if not len(parts[0]):
        raise DataError(
            f"no series has {int(series.horizon)} steps without a gap after {settings.section(SeriesSettings).context} "
            f"steps of which {LEAST_OBSERVED:.0%} were observed; give longer series, or ask for a shorter context"
        )
    validation = parts[1] if len(parts[1]) else parts[0]
    setup = replace(setup, settings=decided_epochs(settings, parts[0], listen))
    counts = {"train": len(parts[0]), "validation": len(validation)}
    return Prepared(setup, parts[0], validation, validation, protocol="given", counts=counts)


def windows_ahead(given: GivenSeries, setup: Setup) -> WindowPart:
    """Of each series the window whose future begins where its values end.

    Raises:
        DataError: a series is too short, or too little of its latest past was observed; the message names it, from 0.
    """
    series = setup.settings.section(SeriesSettings)
    context, horizon = int(series.context), int(series.horizon)
    count, steps = given.values.shape
    if steps < context:
        raise DataError(f"the series have {steps} steps, and {context} are read before a forecast; give more of them")
    seen = (~np.isnan(given.values[:, -context:])).sum(1)
    poor = np.flatnonzero(seen < LEAST_OBSERVED * context)
    if len(poor):
        named = ", ".join(f"series {at} has {seen[at]}" for at in poor[:_SHOWN].tolist())
        raise DataError(
            f"{len(poor)} of {count} series have too few values among their last {context} steps: {named}, expected at "
            f"least {LEAST_OBSERVED:.0%}"
        )
    found = given.regular(horizon)
    laid = laid_out(found, [scale_of(one, steps, setup.settings) for one in found], setup.settings, setup.facts)
    return WindowPart(laid, laid.starts[:-1] + steps, context, horizon, tokens_of(setup.settings))


def scale_of(one: Regular, stop: int, settings: Settings) -> float:
    """By what its errors are measured: its mean change over a season, 1 where it never changes."""
    return seasonal_error(one, stop, int(settings.section(SeriesSettings).season)) or 1.0


def _sides(count: int, steps: int, held: int, *, by_time: bool, share: float, seed: int) -> tuple[Spans, Spans]:
    """Of each series the part that trains, and the part that chooses; an empty one where it does not."""
    if by_time:
        return [(0, steps - held)] * count, [(steps - held, steps)] * count
    train, chosen = (set(rows.tolist()) for rows in parted_rows(count, share, seed=seed))
    return [_span(at in train, steps) for at in range(count)], [_span(at in chosen, steps) for at in range(count)]


def _span(there: bool, steps: int) -> tuple[int, int]:
    return (0, steps) if there else (0, 0)


def _windows(found: Sequence[Regular], laid: Laid, spans: Spans, settings: Settings, *, last: bool) -> WindowPart:
    series = settings.section(SeriesSettings)
    sizes: dict[str, Any] = {"context": int(series.context), "horizon": int(series.horizon)}
    origins, _ = origins_of(found, spans, every=int(series.every) if last else series.stride, last=last, **sizes)
    return WindowPart(laid, origins, sizes["context"], sizes["horizon"], tokens_of(settings))
