"""How much of a series is read and foretold, where the settings leave that to how far its times are apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from regard.spec.errors import SpecError
from regard.tasks.readers.times import Frequency
from regard.tasks.sections import SeriesSettings
from regard.tasks.settings import Settings, changed

Field = Literal["hour", "weekday", "month"]

_DAY, _WEEK = 86_400, 604_800


@dataclass(frozen=True)
class Steps:
    """Counts in steps of a series, as in `SeriesSettings`."""

    context: int
    horizon: int
    season: int
    patch: int
    calendar: tuple[Field, ...]


def usual_steps(frequency: Frequency) -> Steps:
    """What is read and foretold of series whose times are so far apart.

    >>> usual_steps(Frequency("seconds", 1800)).horizon
    48
    """
    if frequency.unit == "months":
        year = max(1, 12 // frequency.step)
        return Steps(3 * year, year, year, max(1, year // 4), ("month",) if year > 1 else ())
    if frequency.unit == "steps":
        return Steps(32, 8, 1, 4, ())
    if frequency.step < _DAY:
        day = _DAY // frequency.step
        half = day // 2 if day % 2 == 0 else day
        return Steps(28 * day, day, 7 * day, half, ("hour", "weekday", "month"))
    if frequency.step < _WEEK:
        return Steps(56, 7, 7, 7, ("weekday", "month"))
    return Steps(104, 8, 52, 4, ("month",))


def decided_steps(settings: Settings, frequency: Frequency, *, longest: int) -> Settings:
    """The settings with every "auto" of their series section decided. `longest`: the steps that there are to train on,
    in the longest series; where nobody asked for more, at most half of them are read at once.

    Raises:
        SpecError: a context shorter than a season, or than a patch.
    """
    asked, usual = settings.section(SeriesSettings), usual_steps(frequency)
    found: dict[str, Any] = {
        name: getattr(usual, name) if getattr(asked, name) == "auto" else getattr(asked, name)
        for name in ("context", "horizon", "season", "patch", "calendar")
    }
    if asked.context == "auto":
        most = max(1, (longest - found["horizon"]) // 2)
        found["context"] = max(min(found["context"], most), min(found["season"], longest))
    if asked.patch == "auto":
        found["patch"] = min(found["patch"], found["context"])
    found["every"] = found["horizon"] if asked.every == "auto" else asked.every
    if found["context"] < max(found["season"], found["patch"]):
        raise SpecError(
            f"series.context was {found['context']}, shorter than a season of {found['season']} or a patch of "
            f"{found['patch']} steps; read more, or name a shorter series.season"
        )
    return changed(settings, {f"series.{name}": value for name, value in found.items()})
