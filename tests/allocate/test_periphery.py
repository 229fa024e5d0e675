"""`Periphery`: what it takes, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from regard.allocate import Eviction, Periphery
from regard.allocate.shares import chosen, worth
from regard.allocate.storage import Mass
from regard.spec.errors import SpecError


def test_what_a_sketch_takes_in_keys() -> None:
    """Heads of 32 + 16 numbers: 96 bytes a key. 1 bit a dimension: 8 directions, 4 bytes a key. 10 tokens are 3 blocks
    of 3: 3 means of 96 bytes, 9 times 4 bytes of codes, and two maps of 8 x 32 numbers of 2 bytes."""
    taken = 3 * 96 + 9 * 4 + 2 * 8 * 32 * 2
    assert Periphery(sketch=1, grain=3).keys(10, 32, 16) == pytest.approx(taken / 96)
    assert Periphery(sketch=1, grain=16).keys(10, 32, 16) == pytest.approx(2 * 8 * 32 * 2 / 96)  # no block is whole


def test_its_share_of_a_long_text() -> None:
    """A quarter of a bit for each of two numbers of 16 bits, and a mean for every 64 keys."""
    periphery = Periphery(sketch=0.25, grain=64)
    assert periphery.share == 0.25 / 32 + 1 / 64
    assert periphery.keys(64 << 20, 64, 64) / (64 << 20) == pytest.approx(periphery.share, rel=1e-4)


@pytest.mark.parametrize("sketch", [0, -1, 4.5, "half", True, float("nan")])
def test_bits_out_of_range(sketch: Any) -> None:
    with pytest.raises(SpecError, match="bits a dimension, above 0 and at most 4"):
        Periphery(sketch=sketch)


@pytest.mark.parametrize("grain", [0, 1.5, True])
def test_a_grain_out_of_range(grain: Any) -> None:
    with pytest.raises(SpecError, match="a whole number, at least 1"):
        Periphery(grain=grain)


@pytest.mark.parametrize(
    ("given", "seen", "beside", "size"),
    [
        ({"fraction": 0.25}, 1000, 30.4, 219),  # a quarter less what the sketch takes
        ({"fraction": 0.25}, 1000, 0.0, 250),
        ({"fraction": 0.25}, 100, 30.4, 20),  # the first 4 and a block of 16 stay
        ({"fraction": 0.25}, 13, 30.4, 13),  # of no more than there are
        ({"fraction": 1.0}, 1000, 30.4, 1000),  # all of them: nothing is to be sketched
        ({"keys": 50}, 1000, 30.4, 50),  # beside a number of keys the sketch comes on top
    ],
)
def test_how_many_keys_stay_beside_it(given: Any, seen: int, beside: float, size: int) -> None:
    assert Eviction(**given, periphery=Periphery(grain=16)).size(seen, beside=beside) == size


@pytest.mark.parametrize("by", ["received", "random"])
def test_keys_that_are_in_no_block_yet_stay(by: str) -> None:
    """Of 9 keys that received 8, 7, .. 0 each, 3 stay: the first, and the latest 2 whatever they received."""
    eviction = Eviction(keys=17, first=1, latest=0.0, by=by, periphery=Periphery(grain=16))
    mass = Mass(torch.arange(8.0, -1, -1)[None], torch.ones(1, 9), None, late=2)
    assert chosen(worth(eviction, mass, 3), 3).tolist() == [[0, 7, 8]]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"keys": 67, "periphery": Periphery(grain=64)}, "at least 68 keys, the first ones and a block of 64"),
        ({"fraction": 0.01, "periphery": Periphery()}, "the sketch alone takes 0.012 of a 16-bit cache"),
        ({"fraction": 0.5, "periphery": 64}, r"Eviction\(periphery=64\): expected a Periphery, or None"),
    ],
)
def test_an_eviction_refuses(given: Any, told: str) -> None:
    with pytest.raises(SpecError, match=told):
        Eviction(**given)
