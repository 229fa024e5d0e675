"""A forecaster of series, as quantiles of the steps to come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from regard.bridges.sklearn_model import asked_settings, drawn_seed, listener, patient
from regard.bridges.sklearn_series import quantiles_ahead, series_to_ask, series_to_fit, weights_back
from regard.spec.errors import DataError, SpecError
from regard.tasks.forecast import FORECAST
from regard.tasks.forecaster import Forecaster
from regard.tasks.given_series import GivenSeries, prepare_given_series, windows_ahead
from regard.tasks.sections import SeriesSettings
from regard.tasks.series_windows import WindowPart
from regard.tasks.settings import changed
from regard.train.fitting import fit


class AttentionForecaster(BaseEstimator):  # type: ignore[misc]
    """What comes next in series: an attention model over patches of their past, that of the task `forecast`.

    X is (series, time), one row a series, NaN where nothing was observed; or one series alone, (time,). Every stretch
    of them trains; the last times choose the best epoch (of short series, some of the series).

    horizon: steps foretold. context: steps read (None: 32, or half of what there is). season: after how many steps
    things come again; errors are scaled by the change over one. quantiles: ascending, the middle one .5.
    dim, layers, epochs, rate: as in `AttentionClassifier`. patience, settings, verbose, random_state likewise; the
    share of the times that choose is `settings={"data.validation_rows": 0.1}`.

    Fitted: context_, n_features_in_ (times), epochs_ and best_epoch_, validation_loss_, model_ (a torch module).
    """

    def __init__(
        self,
        horizon: int = 1,
        *,
        context: int | None = None,
        season: int = 1,
        quantiles: Sequence[float] = (0.1, 0.5, 0.9),
        dim: int | None = None,
        layers: int | None = None,
        epochs: int | None = None,
        rate: float | None = None,
        patience: int | Literal["auto"] | None = "auto",
        settings: Mapping[str, Any] | None = None,
        verbose: bool = False,
        random_state: Any = None,
    ) -> None:
        self.horizon = horizon
        self.context = context
        self.season = season
        self.quantiles = quantiles
        self.dim = dim
        self.layers = layers
        self.epochs = epochs
        self.rate = rate
        self.patience = patience
        self.settings = settings
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, *, past: Any = None, known: Any = None) -> AttentionForecaster:
        """Trains on the series X; y is not looked at. past (series, time, columns): covariates known up to now; known,
        of the same shape: those known for the times to come as well.

        Raises:
            ValueError: the series cannot be used; `DataError` says why.
            SpecError: a parameter is out of its range.
        """
        given, alone = series_to_fit(self, X, past, known)
        seed, listen = drawn_seed(self.random_state), listener(self.verbose)
        parameters, more = self.get_params(deep=False), dict(self.settings or {})
        share, told = more.pop("data.validation_rows", 0.1), self._steps()
        if more.keys() & told.keys():
            raise SpecError(f"settings names {', '.join(sorted(more.keys() & told.keys()))}: say it by the parameter")
        parameters["settings"] = {**told, **more}
        base = changed(FORECAST.settings(), {"series.known": (), "series.zone": None, "series.stride": 1})
        settings = asked_settings(base, parameters, seed)
        data = prepare_given_series(given, settings, share=share, seed=seed, listen=listen)
        data = patient(data, parameters)
        done = fit(replace(FORECAST, chosen_by="loss"), data, listen=listen)
        self._setup, self.model_ = data.setup, done.model.double()
        self.context_ = int(data.settings.section(SeriesSettings).context)
        self._columns, self._alone = (given.past.shape[2], given.known.shape[2]), alone
        self._latest = GivenSeries(
            given.values[:, -self.context_ :], given.past[:, -self.context_ :], given.known[:, -self.context_ :]
        )
        self.epochs_, self.best_epoch_, self.validation_loss_ = done.epochs, done.best_epoch, done.loss
        return self

    def predict(self, X: Any = None, *, past: Any = None, known: Any = None) -> NDArray[np.float64]:
        """(series, horizon): the middle quantile of the steps after X, (horizon,) of one series alone. Without X, of
        those after the series it was fitted on. past as in `fit`; known (series, time + horizon, columns)."""
        found = self.predict_quantiles(X, past=past, known=known)
        return found[..., len(self.quantiles) // 2]

    def predict_quantiles(self, X: Any = None, *, past: Any = None, known: Any = None) -> NDArray[np.float64]:
        """(series, horizon, quantiles), ascending; (horizon, quantiles) of one series alone."""
        part, alone = self._asked(X, past, known)
        found = quantiles_ahead(self._module, part)
        return found[0] if alone else found

    def score(self, X: Any, y: Any = None, *, past: Any = None, known: Any = None) -> float:
        """1 - the mean absolute error over that of the last season again: 1 is perfect, 0 no better than repeating.

        y (series, horizon): what came after X. Without y the last steps of X are foretold from those before.
        """
        check_is_fitted(self)
        horizon = int(self._setup.settings.section(SeriesSettings).horizon)
        values = np.atleast_2d(np.asarray(X, dtype=np.float64))
        if y is None:
            values, y = values[:, :-horizon], values[:, -horizon:]
            past = None if past is None else np.asarray(past)[..., :-horizon, :]
        came, season = np.asarray(y, dtype=np.float64).reshape(len(values), -1), int(self.season)
        if came.shape[1] != horizon or values.shape[1] < season:
            raise DataError(
                f"y has shape {np.shape(y)}, expected ({len(values)}, {horizon}), after at least {season} steps"
            )
        again = values[:, values.shape[1] - season + np.arange(horizon) % season]
        there = np.isfinite(came) & np.isfinite(again)
        found = self.predict(values, past=past, known=known).reshape(came.shape)
        errors, plain = (float(np.abs(one - came)[there].mean()) for one in (found, again))
        return 1 - errors / plain if plain else float(errors == 0)

    def explain(self, X: Any = None, *, past: Any = None, known: Any = None) -> NDArray[np.float64]:
        """(series, context): the share of each of the last `context_` steps in what the steps to come attended to, 1 in
        all; mean over layers and heads, a patch's share divided evenly among its steps."""
        part, alone = self._asked(X, past, known)
        found = weights_back(self._module, part)
        return found[0] if alone else found

    @property
    def _module(self) -> Forecaster:
        assert isinstance(self.model_, Forecaster)
        return self.model_

    def _asked(self, X: Any, past: Any, known: Any) -> tuple[WindowPart, bool]:
        check_is_fitted(self)
        horizon = int(self._setup.settings.section(SeriesSettings).horizon)
        if X is None:
            given, alone = self._after(known, horizon), self._alone
        else:
            given = series_to_ask(self, X, past, known, ahead=horizon, columns=self._columns)
            alone = np.ndim(X) == 1
        return windows_ahead(given, self._setup), alone

    def _after(self, known: Any, horizon: int) -> GivenSeries:
        """The series it was fitted on; known (series, horizon, columns): of the steps to come alone."""
        held, columns = self._latest, self._columns[1]
        if not columns:
            return GivenSeries(held.values, held.past, np.empty((len(held.values), self.context_ + horizon, 0)))
        ahead = np.asarray(known, dtype=np.float64) if known is not None else np.empty(0)
        ahead = ahead[None] if ahead.ndim == 2 else ahead
        if ahead.shape != (len(held.values), horizon, columns):
            raise DataError(
                f"known has shape {ahead.shape}, expected what is known of the steps to come, "
                f"({len(held.values)}, {horizon}, {columns})"
            )
        return GivenSeries(held.values, held.past, np.concatenate((held.known, ahead), 1))

    def _steps(self) -> dict[str, Any]:
        """The parameters that say which steps, as settings."""
        levels = tuple(self.quantiles) if isinstance(self.quantiles, Sequence | np.ndarray) else ()
        if len(levels) % 2 == 0 or levels[len(levels) // 2] != 0.5:
            raise SpecError(f"quantiles was {self.quantiles!r}: expected ascending levels, the middle one of them 0.5")
        return {
            "series.horizon": self.horizon,
            "series.season": self.season,
            "series.context": "auto" if self.context is None else self.context,
            "series.quantiles": levels,
        }

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
