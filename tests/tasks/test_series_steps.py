"""How much is read and foretold, by how far times are apart."""

import pytest

from regard.spec.errors import SpecError
from regard.tasks.readers.times import Frequency
from regard.tasks.sections import CoreSettings, DataSettings, SeriesSettings
from regard.tasks.series_steps import decided_steps, usual_steps
from regard.tasks.settings import Settings


def settings(**series):
    data, core = DataSettings(path="x"), CoreSettings(kind="transformer")
    return Settings(task="forecast", data=data, series=SeriesSettings(**series), core=core)


@pytest.mark.parametrize(
    ("frequency", "context", "horizon", "season", "patch", "calendar"),
    [
        (Frequency("seconds", 1800), 1344, 48, 336, 24, ("hour", "weekday", "month")),
        (Frequency("seconds", 3600), 672, 24, 168, 12, ("hour", "weekday", "month")),
        (Frequency("seconds", 86_400), 56, 7, 7, 7, ("weekday", "month")),
        (Frequency("seconds", 604_800), 104, 8, 52, 4, ("month",)),
        (Frequency("months", 1), 36, 12, 12, 3, ("month",)),
        (Frequency("months", 3), 12, 4, 4, 1, ("month",)),
        (Frequency("months", 12), 3, 1, 1, 1, ()),
        (Frequency("steps", 1), 32, 8, 1, 4, ()),
    ],
)
def test_what_is_usual(frequency, context, horizon, season, patch, calendar):
    found = usual_steps(frequency)
    assert (found.context, found.horizon, found.season, found.patch) == (context, horizon, season, patch)
    assert found.calendar == calendar


def test_what_was_asked_for_stays_and_the_rest_is_decided():
    found = decided_steps(settings(horizon=14, calendar=()), Frequency("seconds", 86_400), longest=1000).series
    assert (found.context, found.horizon, found.season, found.every, found.calendar) == (56, 14, 7, 14, ())


def test_short_series_are_read_by_half():
    found = decided_steps(settings(), Frequency("seconds", 86_400), longest=79).series
    assert (found.context, found.patch) == (36, 7)
    assert decided_steps(settings(), Frequency("seconds", 86_400), longest=15).series.context == 7


def test_a_past_shorter_than_a_season_is_refused():
    with pytest.raises(SpecError, match=r"series\.context was 5, shorter than a season of 7"):
        decided_steps(settings(context=5), Frequency("seconds", 86_400), longest=1000)
