"""A question about a forecast: which stretches of the past it rests on."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from regard.lens.leaf_question import LeafInput, leaf_question
from regard.lens.question import Attention, Question, Way
from regard.lens.units import Units
from regard.spec.errors import SpecError
from regard.tasks.forecaster import Forecaster
from regard.tasks.sections import SeriesSettings
from regard.tasks.series_data import when
from regard.tasks.series_windows import WindowBatch
from regard.tasks.task import Setup

__all__ = ["series_question"]


def series_question(model: Forecaster, setup: Setup, batch: WindowBatch, target: int | str | None) -> Question:
    """target: a step to come, from 1, perhaps as it is typed ("3"); by default the mean of all of them.
    Units are the patches of the past.

    A number has no probability. What stands in its place says how near the forecast stays to that of the whole past:
    exp(-|difference| / spread), the spread being half the distance of the outermost quantiles there. Gradients are
    those of the forecast itself.

    Raises `SpecError` for a step that is not foretold.
    """
    series, times = setup.settings.section(SeriesSettings), batch.times[0].tolist()
    horizon, levels = batch.targets.shape[1], len(series.quantiles)
    if isinstance(target, str) and target.isdecimal():
        target = int(target)
    if target is not None and not (isinstance(target, int) and 1 <= target <= horizon):
        raise SpecError(f"target={target!r}: expected a step to come, 1 to {horizon}, or None for their mean")
    steps = slice(0, horizon) if target is None else slice(target - 1, target)
    with torch.no_grad():
        whole = model(batch)[:, steps]
    middle, spread = whole[..., levels // 2].mean(), ((whole[..., -1] - whole[..., 0]) / 2).mean().clamp(min=1e-9)

    def foretold(values: Tensor, observed: Tensor) -> Tensor:
        found: Tensor = model(_like(batch, values, observed))[:, steps, levels // 2].mean(-1)
        return found

    def nearness(values: Tensor, observed: Tensor) -> Tensor:
        near: Tensor = -(foretold(values, observed) - middle).abs() / spread
        return near

    cells, units = _stretches(model, batch, times, setup)
    known = batch.values[batch.observed.bool()].mean() if bool(batch.observed.any()) else batch.values.mean()
    given = LeafInput(
        leaf=batch.values,
        cells=cells[:, None],
        units=units,
        target=_named(target, horizon, when(times[len(cells)], setup.facts)),
        score=lambda values: nearness(values, batch.observed),
        gradient=lambda values: foretold(values, batch.observed),
        fills={"mean": ("replaced by the past's mean", known.expand_as(batch.values))},
        attention=_attention(model, batch, foretold),
        of="the values",
        name=f"the run's {setup.settings.core.kind}",
        quantity="nearness to the forecast from the whole past, exp(-|difference| / spread)",
    )
    made = leaf_question(given)

    def hidden(keep: Tensor) -> Tensor:
        stays = given.kept(keep)
        observed = torch.where(stays, batch.observed.expand_as(stays), torch.zeros_like(batch.observed))
        return nearness(batch.values.expand(len(keep), -1, -1), observed)

    return replace(made, ways={"mask": Way("told as not observed", hidden), **made.ways})


def _like(batch: WindowBatch, values: Tensor, observed: Tensor) -> WindowBatch:
    """The one row of `batch`, with other values (b, context, 1), so often."""
    rows = len(values)
    shared = {name: getattr(batch, name).expand(rows, *getattr(batch, name).shape[1:]) for name in _SHARED}
    return WindowBatch(
        values=values, observed=observed.expand(rows, *observed.shape[1:]), counts=batch.counts, **shared
    )


_SHARED = ("past", "known", "targets", "units", "times")


def _stretches(model: Forecaster, batch: WindowBatch, times: list[int], setup: Setup) -> tuple[Tensor, Units]:
    """The stretch of each step of the past, (context,), and the stretches by their times. Patches that overlap are cut
    where the next begins."""
    context = batch.values.shape[1]
    count = model.front.count(context)
    starts = [min(place * model.front.stride, context) for place in range(count)]
    cells = (torch.bucketize(torch.arange(context), torch.tensor(starts), right=True) - 1).clamp(0, count - 1)
    ends = [*starts[1:], context]
    texts = tuple(
        f"{when(times[start], setup.facts)} to {when(times[max(start, end - 1)], setup.facts)}"
        for start, end in zip(starts, ends, strict=True)
    )
    return cells, Units(texts, "stretch")


def _attention(model: Forecaster, batch: WindowBatch, foretold: object) -> Attention:
    past, ahead = model.front.count(batch.values.shape[1]), model.head.tokens
    tokens = torch.cat((torch.arange(past), torch.full((ahead,), -1)))
    return Attention(model, lambda: foretold(batch.values, batch.observed), tokens)  # type: ignore[operator]


def _named(target: int | None, horizon: int, first: str) -> str:
    return f"the mean of {horizon} steps from {first}" if target is None else f"step {target} from {first}"
