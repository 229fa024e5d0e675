"""Forecasting: any series over time, alone or many at once, as quantiles of the steps to come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regard.tasks.baselines.series import fit_dlinear, seasonal_naive, spread
from regard.tasks.forecaster import (
    build_forecaster,
    explain_forecast,
    judge_forecast,
    measures_of_forecasts,
    tell_forecast,
)
from regard.tasks.sections import CoreSettings, DataSettings, SeriesSettings, TrainSettings
from regard.tasks.series_data import digest_series, prepare_series, read_more_series
from regard.tasks.series_windows import WindowPart
from regard.tasks.settings import Settings, changed
from regard.tasks.task import Prepared, Task

_DAYS = 7  # seasons shorter than the season itself: a day where that is a week


def _baselines(data: Prepared) -> Mapping[str, Any]:
    """Each with quantiles: how far it erred in training, around its points. They are given the model's own past."""
    assert isinstance(data.train, WindowPart)
    assert isinstance(data.test, WindowPart)
    series = data.settings.section(SeriesSettings)
    horizon, season, levels = int(series.horizon), int(series.season), series.quantiles
    known, asked = data.train.pasts(season=season), data.test.pasts(season=season)
    came = data.train.futures()
    seasons = {season: f"the season of {season} steps again"}
    if season % _DAYS == 0 and season > _DAYS:
        seasons[season // _DAYS] = f"the last {season // _DAYS} steps again"
    found = {}
    for lag, name in seasons.items():
        points = [seasonal_naive(part, horizon=horizon, season=lag) for part in (known, asked)]
        found[name] = _around(data, points[0], came, points[1], levels)
    model = fit_dlinear(known, came)
    found["DLinear"] = _around(data, model(known), came, model(asked), levels)
    return found


def _around(
    data: Prepared, fitted: Any, came: NDArray[np.float64], points: Any, levels: tuple[float, ...]
) -> NDArray[np.float64]:
    train, test = (part.laid.scales[part.laid.series_at(part.origins)] for part in (data.train, data.test))  # type: ignore[union-attr]
    errors = spread(fitted / train[:, None], came / train[:, None], levels)
    errors[:, len(levels) // 2] = 0.0  # the middle one is the method's own point
    found: NDArray[np.float64] = points[..., None] + errors * test[:, None, None]
    return found


_DEMAND = Settings(
    task="forecast",
    data=DataSettings(source="vic-elec", test_rows=30 * 336, validation_rows=12 * 336),
    series=SeriesSettings(known=("holiday",), zone="Australia/Melbourne", stride=4),
    core=CoreSettings(kind="transformer", dim=64, hidden=128, layers=2, dropout=0.1),
    train=TrainSettings(epochs="auto", batch=64, rate=2e-3),
)
_WEEKS = {"data.test_rows": 30 * 168, "data.validation_rows": 12 * 168}
_PEDESTRIANS = changed(_DEMAND, {"data.source": "pedestrian", "series.known": (), **_WEEKS})
_PRICES = changed(
    _DEMAND,
    {"data.source": "prices-fr-be", "series.known": ("gen_forecast", "system_load"), "series.zone": None, **_WEEKS},
)

FORECAST = Task(
    name="forecast",
    about="what comes next in series over time, as quantiles: half-hourly electricity demand a day ahead",
    example="regard train forecast --data SERIES.csv",
    beside="the last season again, of a week and of a day; DLinear with the same past",
    takes="about 1 minute on two cores (estimated from processor time)",
    files="csv, tsv, jsonl or parquet: long (series, time, value, ...) or wide (time, a column a series)",
    presets={"demand": _DEMAND, "pedestrians": _PEDESTRIANS, "prices": _PRICES},
    digest=digest_series,
    prepare=prepare_series,
    build=build_forecaster,
    judge=judge_forecast,
    measures=measures_of_forecasts,
    baselines=_baselines,
    unused=("core.budget", "core.token_dropout", "train.tokens", "train.label_smoothing", "data.split_seed"),
    roles=("series", "time", "value"),
    read=read_more_series,
    tell=tell_forecast,
    explain=explain_forecast,
    heads=("head",),
)
