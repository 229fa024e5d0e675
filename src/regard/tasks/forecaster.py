"""The model that forecasts: patches of the past and of what is known ahead, the core, quantiles of what comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from regard.lens import watch
from regard.nn.encoder import Encoder
from regard.nn.front_ends import SeriesFrontEnd
from regard.nn.heads import StepsAhead, pinball
from regard.tasks.explained import Explained, Weighed
from regard.tasks.scores.forecasts import coverage_gap, crps, mase
from regard.tasks.scores.forecasts import pinball as pinball_score
from regard.tasks.scores.measure import Measure, Scored
from regard.tasks.sections import CoreSettings, SeriesSettings
from regard.tasks.series_data import series_front_end, when
from regard.tasks.series_windows import WindowBatch
from regard.tasks.task import Outcome, Setup

Quantiles = Sequence[float]


class Forecaster(nn.Module):
    """A window's past, and what is known of its future -> quantiles (batch, horizon, levels) in the series' own unit.

    One core reads the patches of both together; those of the future answer for their own steps. To all quantiles is
    added what one linear layer makes of the scaled past, step by step, 0 before training: what a linear model can tell
    need not go through the core (Das et al. 2023, "Long-term forecasting with TiDE", arXiv 2304.08424, §4.2).
    """

    def __init__(
        self, front: SeriesFrontEnd, core: CoreSettings, *, context: int, horizon: int, levels: Quantiles
    ) -> None:
        super().__init__()
        self.front = front
        self.encoder = Encoder(core.dim, core.heads, layers=core.layers, hidden=core.hidden, dropout=core.block_dropout)
        self.head = StepsAhead(core.dim, horizon, tuple(levels), patch=front.patch, dropout=core.dropout)
        self.line = nn.Linear(context, horizon)
        nn.init.zeros_(self.line.weight)
        nn.init.zeros_(self.line.bias)

    def forward(self, batch: WindowBatch) -> Tensor:
        past = batch.past if self.front.past else None
        return self.quantiles(batch.values, batch.observed, past=past, known=batch.known)

    def quantiles(self, values: Tensor, observed: Tensor, *, past: Tensor | None, known: Tensor) -> Tensor:
        """What `forward` gives, of a batch's parts."""
        tokens = self.front(values, observed=observed, past=past, known=known)
        assert tokens.scale is not None
        scaled = tokens.scale.apply(values).masked_fill(~observed, 0.0)[..., 0]
        straight = self.line(scaled.to(self.line.weight.dtype))
        found = self.head(self.encoder(tokens.tokens)) + straight[..., None]
        whole: Tensor = tokens.scale.undo(found[:, :, None])[:, :, 0]
        return whole


def build_forecaster(setup: Setup) -> Forecaster:
    """The model of a run."""
    series = setup.settings.section(SeriesSettings)
    front = series_front_end(setup)
    sizes = {"context": int(series.context), "horizon": int(series.horizon)}
    return Forecaster(front, setup.settings.core, **sizes, levels=series.quantiles)


def judge_forecast(model: nn.Module, batch: WindowBatch, setup: Setup) -> Outcome:
    """The pinball loss over each series' seasonal scale, a forecast; the quantiles are the answers."""
    levels = setup.settings.section(SeriesSettings).quantiles
    quantiles = model(batch)
    units = batch.units[:, None]
    loss = pinball(quantiles / units[..., None], batch.targets / units, levels)
    return Outcome(loss.expand(len(batch)), len(batch), answers=quantiles)


def measures_of_forecasts(setup: Setup) -> tuple[Measure, ...]:
    """MASE of the middle quantile, then pinball loss, CRPS and coverage of all."""
    series = setup.settings.section(SeriesSettings)
    levels = series.quantiles
    found = [_of_middle(mase(1 if series.season == "auto" else series.season), levels), pinball_score(levels)]
    found.append(crps(levels))
    low, high = levels[0], levels[-1]
    return (*found, coverage_gap(levels, low=low, high=high)) if len(levels) > 1 else tuple(found)


def tell_forecast(model: nn.Module, batch: WindowBatch, setup: Setup) -> Sequence[Mapping[str, Any]]:
    """Of each window: the middle of each step to come, with the time it is of, and the outermost quantiles."""
    levels = setup.settings.section(SeriesSettings).quantiles
    quantiles = model(batch)
    told = []
    for row, times in zip(quantiles.tolist(), batch.times.tolist(), strict=True):
        ahead = times[-len(row) :]
        told.append(
            {
                "forecast": [step[len(levels) // 2] for step in row],
                f"quantile {levels[0]:g}": [step[0] for step in row],
                f"quantile {levels[-1]:g}": [step[-1] for step in row],
                "from": when(ahead[0], setup.facts),
                "to": when(ahead[-1], setup.facts),
            }
        )
    return told


def explain_forecast(model: nn.Module, batch: WindowBatch, setup: Setup) -> Explained:
    """Which stretches of the past, and of what is known ahead, the tokens of the steps to come attended to."""
    assert isinstance(model, Forecaster)
    series, times = setup.settings.section(SeriesSettings), batch.times[0].tolist()
    past = model.front.count(int(series.context))
    with watch(model, queries=range(past, past + model.head.tokens)) as seen:
        quantiles = model(batch)
    received = torch.stack([layer.received[0].mean(0) for layer in seen.trace().layers]).mean(0)
    spans = model.front.units(int(series.context)).of(0, len(received))
    units = []
    for unit, share in zip(spans, (received / received.sum()).tolist(), strict=True):
        start, end = (int(edge) for edge in unit.bounds)
        ahead = " (to come: what is known of it)" if start >= int(series.context) else ""
        named = f"{when(times[start], setup.facts)} to {when(times[end - 1], setup.facts)}{ahead}"
        units.append(Weighed(named, share))
    middle = quantiles[0, :, len(series.quantiles) // 2]
    first = when(times[int(series.context)], setup.facts)
    told = (
        f"{middle.numel()} steps from {first}: mean {middle.mean():.4g}, from {middle.min():.4g} to {middle.max():.4g}"
    )
    return Explained(told, tuple(units), "step", "of the steps to come, mean over layers and heads")


def _of_middle(measure: Measure, levels: Quantiles) -> Measure:
    """A score of points, of the middle quantile."""

    def weigh(answers: Any, truths: Any) -> Scored:
        return measure.weigh([row[..., len(levels) // 2] for row in answers], truths)

    return Measure(measure.name, weigh, measure.better, f"{measure.said}|point:quantile {levels[len(levels) // 2]:g}")
