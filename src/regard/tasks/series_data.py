"""Series over time: from files to windows of past and future, the same for training and for a trained run.

What is tested comes last in time, and what chooses the best epoch just before it. A window's future lies wholly in its
part; its past may reach back into what came before, as it does when one really forecasts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regard.nn.front_ends import SeriesFrontEnd
from regard.spec import Learned
from regard.spec.errors import DataError, SpecError
from regard.tasks.epochs import decided_epochs
from regard.tasks.event import Listener, Note
from regard.tasks.origin import data_paths, digest_of
from regard.tasks.readers.identity import exact_mark
from regard.tasks.readers.regular import Regular, regular
from regard.tasks.readers.series import SeriesTable, read_series
from regard.tasks.readers.times import Frequency
from regard.tasks.sections import SeriesSettings
from regard.tasks.series_ahead import with_rows_ahead
from regard.tasks.series_laid import Spans, constants, laid_out, parted_by_time, scaled
from regard.tasks.series_steps import decided_steps
from regard.tasks.series_windows import Indices, Laid, WindowPart, origins_of, seasonal_error
from regard.tasks.settings import Settings
from regard.tasks.task import Asked, Given, Prepared, Setup


def digest_series(settings: Settings, listen: Listener) -> str:
    """What the bytes of the series come down to. Raises as `data_paths` does."""
    return digest_of(settings.data, "series", listen)


def prepare_series(settings: Settings, kept: Mapping[str, str] | None, listen: Listener) -> Prepared:
    """The parts of a run that forecasts. Facts: each series' scale, how far times are apart, the covariates' constants.

    Raises:
        SpecError: settings that do not fit each other.
        DataError: the data cannot be read, or are too short to be parted.
    """
    data = settings.data
    if data.test_path is not None or data.test_source is not None:
        raise SpecError("data.test_path and data.test_source: series are parted by time; give one file of all times")
    (path,) = data_paths(data, "series", listen)
    table = _read(path, settings, {})
    found: Sequence[Regular] = regular(table, table.usable(skip_refused=data.skip_refused))
    frequency = table.frequency
    assert frequency is not None  # `regular` has refused it
    spans = parted_by_time(found, data, dates=table.series[0].kind == "date")
    settings = decided_steps(settings, frequency, longest=max(stop - start for start, stop in spans["train"]))
    found, spans, scales = scaled(found, spans, settings, listen)
    laid = laid_out(found, scales, settings, None)
    facts = {
        "dates": table.series[0].kind == "date",
        "frequency": {"unit": frequency.unit, "step": frequency.step},
        "scales": dict(zip(laid.names, scales, strict=True)),
        **constants(laid, spans["train"]),
    }
    setup = Setup(settings, facts)
    parts = {name: _part(name, found, laid, spans[name], setup, listen) for name in ("train", "validation", "test")}
    setup = replace(setup, settings=decided_epochs(settings, parts["train"], listen))
    series = setup.settings.section(SeriesSettings)
    test = parts["test"]
    return Prepared(
        setup=setup,
        **parts,
        protocol=f"part:test(last in time,{_share(data.test_rows)})|rows:{len(test)}|every:{series.every}"
        f"|horizon:{series.horizon}|past:{series.context}|series:{len(set(laid.series_at(test.origins).tolist()))}",
        counts={name: len(part) for name, part in parts.items()},
        marks=_marks(found, [(start, spans["validation"][at][1]) for at, (start, _) in enumerate(spans["train"])]),
        groups=_weeks(test, facts),
    )


def read_more_series(asked: Asked, setup: Setup) -> Given:
    """Windows of a file for a trained run: with `asked.truths` all those of which the future is in the file; else, of
    each series, the one whose future begins where the file ends.

    A series that the run was trained on is scaled as it was then, another one by its own values in the file.

    Raises:
        DataError: the file cannot be read, its times are otherwise apart than in training, or it is too short.
    """
    settings = setup.settings
    series = settings.section(SeriesSettings)
    table = _read(asked.path, settings, asked.columns, truths=asked.truths)
    rows = table.usable(skip_refused=asked.skip_refused)
    trained = Frequency(**setup.facts["frequency"])
    if table.frequency != trained:
        raise DataError(f"{table.name}: times are apart {table.frequency}, and the run was trained on {trained}")
    horizon = int(series.horizon)
    found = regular(table, rows, ahead=0 if asked.truths or series.known else horizon)
    known = setup.facts["scales"]
    scales = [known.get(one.name) or seasonal_error(one, len(one), int(series.season)) or 1.0 for one in found]
    laid = laid_out(found, scales, settings, setup.facts)
    if asked.truths:
        origins, _ = _origins(found, [(0, len(one)) for one in found], series, every=int(series.every), last=True)
        if not len(origins):
            raise DataError(_too_short(table.name, found, series))
    else:
        origins = _ends(table.name, found, laid, series)
    part = WindowPart(laid, origins, int(series.context), horizon, tokens_of(setup.settings))
    names = laid.series_at(origins)
    shown = tuple(
        f"{laid.names[one]} from {when(int(laid.times[place]), setup.facts)}"
        for one, place in zip(names.tolist(), origins.tolist(), strict=True)
    )
    marks = _marks(found, [(0, len(one)) for one in found], ordered=False)[origins]
    return Given(table.name, part, tuple(range(1, len(origins) + 1)), shown, len(table.refused), marks)


def series_front_end(setup: Setup) -> SeriesFrontEnd:
    """What makes tokens of a window: patches of the past, and of what is known of the steps to come."""
    series, facts = setup.settings.section(SeriesSettings), setup.facts
    known = len(facts["known"]["mean"])
    front = SeriesFrontEnd(
        setup.settings.core.dim,
        patch=int(series.patch),
        past=len(series.past),
        known=known,
        horizon=int(series.horizon),
        positions=Learned(tokens_of(setup.settings)),
        dropout=setup.settings.core.dropout,
    )
    for name, layer in (("past", front.past_standard), ("known", front.known_standard)):
        if layer is not None:
            layer.set(facts[name]["mean"], facts[name]["deviation"])
    return front


def tokens_of(settings: Settings) -> int:
    """Tokens of a window: patches of the past and of the future."""
    series = settings.section(SeriesSettings)
    return sum(-(-int(steps) // int(series.patch)) for steps in (series.context, series.horizon))


def when(time: int, facts: Mapping[str, Any]) -> str:
    """A time in words, as in the file."""
    return str(np.datetime64(time, "s")).replace("T", " ")[:16] if facts["dates"] else f"step {time}"


def _read(path: Path, settings: Settings, columns: Mapping[str, str], *, truths: bool = True) -> SeriesTable:
    series = settings.section(SeriesSettings)
    named = {**settings.data.columns, **columns}
    roles = {role: named.get(role, role) for role in ("series", "time", "value")}
    covariates = (*series.known, *series.past)
    found = read_series(path, **roles, covariates=covariates, unsorted=series.unsorted)
    if truths or not series.known:
        return found
    return with_rows_ahead(found, path, roles, known=series.known, past=series.past)


def _part(name: str, found: Sequence[Regular], laid: Laid, spans: Spans, setup: Setup, listen: Listener) -> WindowPart:
    series = setup.settings.section(SeriesSettings)
    every = series.stride if name == "train" else int(series.every)
    origins, left = _origins(found, spans, series, every=every, last=name != "train")
    if not len(origins):
        reason = _too_short("the data", found, series)
        raise DataError(f"the {'training' if name == 'train' else name} part: {reason}")
    gaps = f"; {left:,} left out for gaps" if left else ""
    listen(
        Note(f"{name}: {len(origins):,} windows of {series.context} steps and the {series.horizon} after them{gaps}")
    )
    counts = tokens_of(setup.settings)
    return WindowPart(laid, origins, int(series.context), int(series.horizon), counts)


def _origins(
    found: Sequence[Regular], spans: Spans, series: SeriesSettings, *, every: int, last: bool
) -> tuple[Indices, int]:
    return origins_of(found, spans, context=int(series.context), horizon=int(series.horizon), every=every, last=last)


def _ends(name: str, found: Sequence[Regular], laid: Laid, series: SeriesSettings) -> Indices:
    """Of each series the step after the last one that was observed."""
    ends = [int(np.flatnonzero(one.observed)[-1]) + 1 for one in found]
    for one, end in zip(found, ends, strict=True):
        if end < int(series.context):
            raise DataError(
                f"{name}: series {one.name!r} has {end:,} times, and the run reads {series.context:,} before it "
                "forecasts; give more of its past"
            )
        told = one.covariates[end : end + int(series.horizon), : len(series.known)]
        if len(told) < int(series.horizon) or np.isnan(told).any():
            raise DataError(
                f"{name}: series {one.name!r} needs {', '.join(series.known)} of {series.horizon} times after its last "
                f"value, and has them of {int(np.isfinite(told).all(1).sum())}; add rows for the others"
            )
    found_at: Indices = laid.starts[:-1] + np.array(ends)
    return found_at


def _too_short(name: str, found: Sequence[Regular], series: SeriesSettings) -> str:
    longest = max(len(one) for one in found)
    return (
        f"no stretch of {name} holds {series.context:,} times of past (half of them observed) and {series.horizon:,} "
        f"after them without a gap; the longest series has {longest:,} times: ask for a shorter series.context"
    )


def _marks(found: Sequence[Regular], spans: Sequence[tuple[int, int]], *, ordered: bool = True) -> NDArray[np.int64]:
    """64 bits of each time of each series."""
    marks = [
        exact_mark(one.name.encode()) ^ (one.times[start:stop] * 2 + 1)
        for one, (start, stop) in zip(found, spans, strict=True)
    ]
    whole = np.concatenate(marks).astype(np.int64)
    return np.sort(whole) if ordered else whole


def _weeks(part: WindowPart, facts: Mapping[str, Any]) -> list[str] | None:
    """Forecasts of one week hang together: the week of each one's first step, the same for all series; None where
    times are not dates, or all lie in few weeks."""
    if not facts["dates"]:
        return None
    weeks = (part.laid.times[part.origins] // 604_800).tolist()
    return [f"week {week}" for week in weeks] if len(set(weeks)) >= 8 else None


def _share(wanted: float) -> str:
    return f"{int(wanted)} steps" if wanted >= 1 else f"{wanted:.0%}"
