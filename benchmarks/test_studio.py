"""The studio's figures: goals can be missed, tables say what was measured."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.studio_load import _broken, goals
from benchmarks.studio_real import _places, last_block, spread
from benchmarks.studio_tables import rollout, studio

CLEAN = {"opened_outside": [], "beside_the_folder": ["mine", "secret.txt"], "statuses": {"200": 3, "422": 2}}
PAINTED = {"subject": "m", "what": "a model"}
TILE = {"subject": "m", "mask": "causal", "requests": 2, "p95_ms": 9.0}


def found() -> dict[str, Any]:
    return {
        "looks": [
            {"subject": "m", "what": "a model", "units": 8192, "heads": 72, "after_pass_s": 0.5, "whole_s": 53.1}
        ],
        "painted": [{**PAINTED, "units": 8192, "from": "the last block", "first_s": 0.7, "whole_s": 0.9}],
        "tiles": [
            {**TILE, "zoom": 2, "sinks": True, "median_ms": 18.0, "worst_ms": 26.0},
            {**TILE, "zoom": 2, "sinks": False, "median_ms": 29.0, "worst_ms": 36.0},
        ],
        "answers": [{"during": "a look", "address": "/", "requests": 9, "median_ms": 4.0, "worst_ms": 400.0}],
        "held": [{"subject": "m", "requests": 200, "warm_mb": 100.0, "end_mb": 101.0}],
        "clients": {**CLEAN, "clients": 50, "requests": 500, "median_ms": 80.0, "p99_ms": 300.0},
        "fuzz": {**CLEAN, "requests": 10_000, "slowest_s": 1.2, "broken": []},
    }


def test_every_promise_is_met_here() -> None:
    made = goals(found())
    assert len(made) == 6
    assert all(goal.as_json()["met"] for goal in made)


@pytest.mark.parametrize(
    ("part", "row", "value"),
    [
        ("looks", "after_pass_s", 3.1),
        ("painted", "first_s", 3.1),
        ("tiles", "median_ms", 101.0),
        ("answers", "worst_ms", 1100.0),
        ("held", "end_mb", 106.0),
    ],
)
def test_each_promise_can_be_missed(part: str, row: str, value: float) -> None:
    given = found()
    given[part][-1][row] = value
    assert [goal.as_json()["met"] for goal in goals(given)].count(False) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [("broken", ["GET /: 500"]), ("opened_outside", ["/etc/passwd"]), ("beside_the_folder", ["mine"])],
)
def test_what_broke_is_counted(name: str, value: list[str]) -> None:
    given = found()
    given["fuzz"] = {**given["fuzz"], name: value}
    assert _broken(given) == 1
    assert not goals(given)[-1].as_json()["met"]


def test_what_a_server_error_breaks() -> None:
    given = found()
    given["clients"] = {**given["clients"], "statuses": {"200": 499, "500": 1}}
    assert _broken(given) == 1


def test_the_tables() -> None:
    looks, painted, tiles, answers, held, load = studio({"studio": found()})
    assert looks[-1] == "| a model | 8,192 | 72 | 0.50 s | 53.1 s |"
    assert painted[-1] == "| a model | 8,192 | the last block | 0.70 s | 0.90 s |"
    assert tiles[-1] == "| m, mask: causal | 2 | 18.0 ms | 26.0 ms | 29.0 ms | 36.0 ms |"
    assert answers[-1] == "| `/` | a look | 9 | 4.0 ms | 400 ms |"
    assert held[-1] == "| m | 100 MB | 101 MB | 200 requests |"
    assert load[-1] == "| random requests | 10,000 | 200: 3, 422: 2 | slowest 1.2 s; broken promises: 0 |"
    assert studio({"studio": {}}) == []


def test_a_long_rollout() -> None:
    (rows,) = rollout({"rollout": [{"length": 16384, "pass": 4000.0, "rollout": 4100.0, "square": 4096.0}]})
    assert rows[-1] == "| 16,384 | 4,000 MiB | 4,100 MiB | 4,096 MiB |"


def test_the_last_block_is_found() -> None:
    told = [(1.0, "reading m"), (2.0, "block 1 of 2"), (3.0, "block 2 of 2"), (3.5, "ranking the heads"), (4.0, "done")]
    assert last_block(told) == 3.0
    assert last_block([told[0], told[3]]) == 3.5
    assert last_block([told[0]]) is None


def test_tiles_lie_on_or_below_the_diagonal() -> None:
    import random

    layers = [{"name": "0", "heads": [{"head": 0}, {"head": 1}]}]
    for narrow in (False, True):
        places = _places(random.Random(0), layers, 3, narrow=narrow)
        assert len({tuple(one.values()) for one in places}) == len(places) == 12
        assert all(0 <= one["row"] - one["col"] <= (1 if narrow else 7) for one in places)


def test_the_spread_of_seconds() -> None:
    assert spread([0.003, 0.001, 0.002]) == {"requests": 3, "median_ms": 2.0, "p95_ms": 2.0, "worst_ms": 3.0}
