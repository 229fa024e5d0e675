"""`Eviction`: how many keys stay, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from regard.allocate import Eviction
from regard.spec.errors import SpecError


@pytest.mark.parametrize(
    ("given", "seen", "size"),
    [
        ({"fraction": 0.25}, 100, 25),
        ({"fraction": 0.25}, 101, 26),  # rounded up
        ({"fraction": 0.1, "first": 0}, 30, 3),  # not 4, though .1 x 30 is 3.0000000000000004
        ({"fraction": 1.0}, 7, 7),
        ({"fraction": 0.001}, 7, 5),  # the first 4 stay whatever comes, and the very last
        ({"fraction": 0.001, "first": 0}, 7, 1),
        ({"fraction": 0.1, "first": 9}, 7, 7),
        ({"fraction": 0.5}, 0, 0),
        ({"keys": 20}, 100, 20),
        ({"keys": 20}, 7, 7),
    ],
)
def test_how_many_stay(given: Any, seen: int, size: int) -> None:
    assert Eviction(**given).size(seen) == size


@pytest.mark.parametrize(
    ("latest", "size", "spared"),
    [
        (0.25, 40, (4, 10)),
        (1.0, 40, (4, 36)),  # window and sinks: nothing to choose
        (0.0, 40, (4, 1)),  # the very last key always stays
        (0.5, 3, (2, 1)),
        (0.5, 1, (0, 1)),
    ],
)
def test_what_stays_whatever_it_received(latest: float, size: int, spared: tuple[int, int]) -> None:
    assert Eviction(fraction=0.5, first=4, latest=latest).spared(size) == spared


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "expected one of the two"),
        ({"fraction": 0.5, "keys": 3}, "expected one of the two"),
        ({"fraction": 0}, "above 0 and at most 1"),
        ({"fraction": 1.5}, "above 0 and at most 1"),
        ({"fraction": "a quarter"}, "fraction='a quarter'"),
        ({"keys": 0}, r"Eviction\(keys=0\): expected a whole number, at least 1"),
        ({"keys": True}, "keys=True"),
        ({"keys": 8, "first": -1}, "at least 0"),
        ({"keys": 2, "first": 4}, r"Eviction\(keys=2, first=4\): .*at least 5 keys.*or a smaller first="),
        ({"keys": 4}, "at least 5 keys"),
        ({"keys": 8, "step": 0}, "step=0"),
        ({"keys": 8, "latest": 1.1}, r"latest=1.1\): expected a share"),
        ({"keys": 8, "least": -0.1}, r"least=-0.1\): expected a share"),
        ({"keys": 8, "pool": 4}, "odd number"),
        ({"keys": 8, "half_life": 0}, "half_life=0"),
        ({"keys": 8, "sizes": "all"}, "expected one of 'even', 'heads', 'layers'"),
        ({"keys": 8, "by": "luck"}, "expected one of 'received', 'total', 'random'"),
    ],
)
def test_what_is_refused(given: Any, told: str) -> None:
    with pytest.raises(SpecError, match=told):
        Eviction(**given)


def test_it_is_a_value() -> None:
    assert Eviction(keys=8) == Eviction(keys=8) != Eviction(keys=9)
    assert repr(Eviction(keys=8)).startswith("Eviction(fraction=None, keys=8, first=4, ")
