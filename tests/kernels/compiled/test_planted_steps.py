"""Errors planted between the steps, where loops run as plain Python: each must raise AssertionError."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from tests.faults import around
from tests.focus_ways import check, needed
from tests.looks import POLICY, look

needed()

After = Callable[[tuple[Any, ...]], None]


def battery(plain: ModuleType) -> None:
    """Rounded and not, alone and in groups; five keys lie behind the sketch."""
    for bits, groups in ((8, 1), (16, 2), (4, 2)):
        policy = replace(POLICY, bits=bits)
        assert check(look(keys=53, groups=groups, dim=6, value_dim=5, most=20, policy=policy, rows=1), plain)


def times(place: int, factor: float) -> After:
    """An argument that a step has written into, by so much."""

    def change(given: tuple[Any, ...]) -> None:
        given[place][...] *= np.float32(factor)

    return change


def turned(place: int) -> After:
    """The rows of an argument one further."""

    def change(given: tuple[Any, ...]) -> None:
        given[place][...] = np.roll(given[place], 1, 0)

    return change


FAULTS: dict[str, tuple[str, str, After]] = {
    "periphery dropped": ("keys", "left", times(4, 0)),
    "periphery 1 % off": ("keys", "left", times(4, 1.01)),
    "the best as they are in another order": ("rows", "copied", turned(3)),
    "keys and values behind the sketch dropped": ("rows", "behind", times(3, 0)),
    "scores behind the sketch 1 % off": ("values", "late", times(3, 1.01)),
    "scores as they are 1 % off": ("values", "reread", times(3, 1.01)),
    "weights 1 % off": ("values", "shared", times(0, 1.01)),
    "nothing beyond the means": ("values", "beyond", lambda given: None),
}


def test_without_a_fault_the_battery_passes(plain: ModuleType) -> None:
    battery(plain)


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_seen(fault: str, plain: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    module, step, change = FAULTS[fault]

    def spoiled(original: Any, *given: Any) -> Any:
        made = None if step == "beyond" else original(*given)
        change(given)
        return made

    around(getattr(plain.steps, module), step, spoiled)(monkeypatch)
    with pytest.raises(AssertionError):
        battery(plain)
