"""What the named sets write is what the readers of users' own files read: no row of a real set is refused."""

import pytest

from regard.tasks.readers.captions import read_captions
from regard.tasks.readers.events import read_events
from regard.tasks.readers.images import read_images
from regard.tasks.readers.scenes import read_scenes
from regard.tasks.readers.series import read_series
from regard.tasks.readers.symbols import read_symbols

pytestmark = pytest.mark.data


@pytest.mark.parametrize(("name", "rows"), [("digits", 1797), ("mnist-small", 10_000), ("fashion-mnist-test", 10_000)])
def test_pictures(needed, name, rows):
    reading = read_images(needed(name))
    assert len(reading.rows) == rows
    assert reading.refused == ()
    assert reading.notes == ()  # plain grey pictures, no conversions


def test_captions(needed):
    reading = read_captions(needed("emoji"), label="label")
    assert (len(reading.rows), reading.refused) == (1911, ())
    assert len({row.text for row in reading.rows}) == 1911


@pytest.mark.parametrize(("name", "rows"), [("emoji-scenes", 4000), ("emoji-scenes-test", 1000)])
def test_scenes(needed, name, rows):
    reading = read_scenes(needed(name))
    assert (len(reading.rows), reading.refused) == (rows, ())


@pytest.mark.parametrize(
    ("name", "series", "covariates", "gaps"),
    [
        ("vic-elec", 1, ("temperature", "holiday"), 0),
        ("pedestrian", 4, (), 18),
        ("prices-fr-be", 2, ("gen_forecast", "system_load"), 0),
        ("m1", 1001, (), 0),
        ("m3", 3003, (), 0),
        ("tourism", 1311, (), 0),
    ],
)
def test_series(needed, name, series, covariates, gaps):
    table = read_series(needed(name), covariates=covariates)
    assert (len(table.series), table.refused, len(table.gaps)) == (series, (), gaps)


def test_events(needed):
    events = read_events(needed("ml-100k"), value="value")
    assert (len(events), len(events.user_names), len(events.item_names), events.refused) == (100_000, 943, 1682, ())


def test_symbols(needed):
    reading = read_symbols(needed("splice"), label="label", alphabet="ACGT")
    assert (len(reading.rows), reading.refused) == (3186, ())
    assert len({row.symbols for row in reading.rows}) == 3001
