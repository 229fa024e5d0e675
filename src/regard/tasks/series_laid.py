"""Series parted by time, each with the scale of its errors, laid out one after the other with what else is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from regard.nn.front_ends import calendar
from regard.spec.errors import DataError
from regard.tasks.event import Listener, Note
from regard.tasks.readers.regular import Regular, local
from regard.tasks.sections import DataSettings, SeriesSettings
from regard.tasks.series_windows import Laid, seasonal_error
from regard.tasks.settings import Settings

Spans = list[tuple[int, int]]  # of each series, from where to before where


def parted_by_time(series: Sequence[Regular], data: DataSettings, *, dates: bool) -> dict[str, Spans]:
    """The part [start, stop) of each series that trains, chooses and tests.

    `data.test_rows` and `data.validation_rows`: times of the longest series (or shares of them). Dates are parted at
    one moment for all series, so that none is trained on days that another is tested on; series whose times are only
    numbered are parted each from its own end. `data.train_rows` keeps the last of the times to train on.

    Raises:
        DataError: nothing is left to train on.
    """
    longest = max(len(one) for one in series)
    test, validation = (
        int(wanted) if wanted >= 1 else round(wanted * longest) for wanted in (data.test_rows, data.validation_rows)
    )
    latest = max(series, key=lambda one: int(one.times[-1]))
    if test + validation >= longest or test + validation >= len(latest):
        raise DataError(
            f"the longest series has {longest:,} times, of which {test:,} to test and {validation:,} to validate leave "
            "none to train on; give more, or ask for fewer"
        )
    spans: dict[str, Spans] = {"train": [], "validation": [], "test": []}
    for one in series:
        cuts = (len(one) - test - validation, len(one) - test)
        if dates:
            moments = latest.times[[len(latest) - test - validation, len(latest) - test]]
            cuts = tuple(np.searchsorted(one.times, moments).tolist())
        first, second = (min(max(cut, 0), len(one)) for cut in cuts)
        spans["train"].append((0 if data.train_rows is None else max(0, first - data.train_rows), first))
        spans["validation"].append((first, second))
        spans["test"].append((second, len(one)))
    return spans


def laid_out(
    found: Sequence[Regular], scales: Sequence[float], settings: Settings, facts: Mapping[str, Any] | None
) -> Laid:
    """Series one after the other. A covariate whose row is missing is told as its mean in training, and the mask says
    that nothing was observed there."""
    series = settings.section(SeriesSettings)
    sizes = [len(one) for one in found]
    times = np.concatenate([one.times for one in found])
    given = np.concatenate([one.covariates for one in found])
    clock = np.empty((len(times), 0), dtype=np.float32)
    if series.calendar != "auto" and series.calendar:
        clock = calendar(local(times, series.zone), series.calendar)
    split = len(series.known)
    known, past = np.concatenate([given[:, :split], clock], 1), given[:, split:]
    if not known.shape[1]:  # the steps to come have tokens all the same: of their places alone
        known = np.zeros((len(times), 1))
    for name, columns in (("known", known), ("past", past)):
        means = np.nanmean(columns, 0) if facts is None else np.array(facts[name]["mean"])
        lacking = np.isnan(columns)
        columns[lacking] = np.broadcast_to(means, columns.shape)[lacking]
    return Laid(
        times,
        np.concatenate([one.values for one in found]),
        np.concatenate([one.observed for one in found]),
        past.astype(np.float32),
        known.astype(np.float32),
        np.concatenate([[0], np.cumsum(sizes)]),
        tuple(one.name for one in found),
        np.asarray(scales, dtype=np.float64),
    )


def constants(laid: Laid, spans: Spans) -> dict[str, dict[str, list[float]]]:
    """Mean and deviation of each covariate in the training part; those of the calendar stay as they are."""
    inside = np.zeros(len(laid.times), dtype=bool)
    for begin, (start, stop) in zip(laid.starts, spans, strict=False):
        inside[begin + start : begin + stop] = True
    inside &= laid.observed
    found = {}
    for name, columns in (("known", laid.known), ("past", laid.past)):
        taken = columns[inside].astype(np.float64)
        deviations = [one or 1.0 for one in taken.std(0).tolist()]
        found[name] = {"mean": taken.mean(0).tolist(), "deviation": deviations}
    return found


def scaled(
    found: Sequence[Regular], spans: dict[str, Spans], settings: Settings, listen: Listener
) -> tuple[list[Regular], dict[str, Spans], list[float]]:
    """The series that errors can be scaled for, each with its scale; the others are left out, and told."""
    season = int(settings.section(SeriesSettings).season)
    scales = [seasonal_error(one, stop, season) for one, (_, stop) in zip(found, spans["train"], strict=True)]
    kept = [place for place, scale in enumerate(scales) if scale is not None]
    if not kept:
        raise DataError(
            f"no series has two seasons of {season} steps to train on that differ; give longer ones, or another "
            "series.season"
        )
    if len(kept) < len(found):
        lost = next(one.name for one, scale in zip(found, scales, strict=True) if scale is None)
        listen(
            Note(
                f"{len(found) - len(kept):,} series are left out: too short for a season of {season} steps, or never "
                f"changing from season to season, such as {lost!r}"
            )
        )
    chosen = {name: [spans[name][place] for place in kept] for name in spans}
    return [found[place] for place in kept], chosen, [float(scales[place] or 1.0) for place in kept]
