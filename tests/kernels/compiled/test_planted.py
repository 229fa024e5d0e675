"""Planted errors in compiled loops: each must raise AssertionError where they are compared with torch's operations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tests.faults import Patch, around
from tests.focus_ways import check, needed
from tests.looks import POLICY, causal, look

needed()

from regard.kernels.compiled import look as compiled  # noqa: E402
from regard.kernels.compiled.compiler import Array  # noqa: E402


def battery() -> None:
    """At every resolution, alone and in groups, with a mask and without."""
    for bits in (4, 8, 16):
        policy = replace(POLICY, bits=bits)
        check(look(policy=policy))
        check(look(policy=policy, groups=1, allowed=causal(2, 157, [30, 0])))


def stock(**changed: Callable[[Array], Array]) -> Patch:
    """Each `changed(array)` gives another array of the sketch."""

    def patched(original: Any, sketch: Any) -> Any:
        found = original(sketch)
        parts = {name: np.ascontiguousarray(change(getattr(found, name))) for name, change in changed.items()}
        return found._replace(**parts)

    return around(compiled, "_stock", patched)


def terms(**changed: int) -> Patch:
    """Other terms, by so much."""
    return around(
        compiled,
        "_terms",
        lambda f, sketch: f(sketch)._replace(**{name: getattr(f(sketch), name) + by for name, by in changed.items()}),
    )


def asked(**changed: Callable[[Array], Array]) -> Patch:
    def patched(original: Any, made: Any) -> Any:
        found = original(made)
        parts = {name: np.ascontiguousarray(change(getattr(found, name))) for name, change in changed.items()}
        return found._replace(**parts)

    return around(compiled, "_asked", patched)


def between(change: Callable[[Any], None]) -> Patch:
    """`change(found)` spoils what the first half leaves for the second, after it has been looked at."""

    def patched(original: Any, made: Any, found: Any) -> Any:
        plain = original(made, found)
        change(found)
        return plain

    return around(compiled, "_plain", patched)


def plain(**changed: Callable[[Array], Array]) -> Patch:
    def patched(original: Any, *args: Any) -> Any:
        found = original(*args)
        parts = {name: np.ascontiguousarray(change(getattr(found, name))) for name, change in changed.items()}
        return found._replace(**parts)

    return around(compiled, "_plain", patched)


def times(name: str, factor: float) -> Patch:
    def change(found: Any) -> None:
        getattr(found, name)[...] *= factor

    return between(change)


def turned_round(array: Array) -> Array:
    return array >> 4 | array << 4


FAULTS: dict[str, Patch] = {
    "numbers of a byte swapped, of codes": stock(codes=turned_round),
    "numbers of a byte swapped, of keys": stock(keys=turned_round),
    "numbers of a byte swapped, of values": stock(values=turned_round),
    "codes of the key before": stock(codes=lambda each: np.roll(each, 1, 2)),
    "rounded keys of the key before": stock(keys=lambda each: np.roll(each, 1, 1)),
    "rounded values of the key before": stock(values=lambda each: np.roll(each, 1, 1)),
    "rounded keys of another lane": stock(keys=lambda each: np.roll(each, 1, 0)),
    "means of another block": stock(means=lambda each: np.roll(each, 1, 1)),
    "basis of another key head": stock(turn=lambda each: np.roll(each, 1, 0)),
    "directions in another order": stock(turn=lambda each: np.roll(each, 1, 2)),
    "steps of another key head for keys": stock(key_step=lambda each: np.roll(each, 1, 0)),
    "steps of another key head for values": stock(value_step=lambda each: np.roll(each, 1, 0)),
    "first keys not read in any case": terms(first=-3),
    "one key less as it is": terms(exact=-1),
    "one block forgotten": terms(length=-8),
    "one key less": asked(most=lambda each: each - 1),
    "latest ignored": asked(latest=lambda each: 0 * each),
    "item 0's mask for all items": asked(allowed=lambda each: each[:1]),
    "everything may be seen": asked(allowed=lambda each: each[:1, :, :0]),
    "heads of a group in another order": asked(query=lambda each: np.roll(each, 1, 2)),
    "scale 1 % off": asked(query=lambda each: each * np.float32(1.01)),
    "periphery dropped": times("around", 0.0),
    "periphery 1 % off": times("around", 1.01),
    "tops 1 % off": times("top", 0.99),
    "the key before the one picked": between(
        lambda found: np.subtract(found.picks, 1, out=found.picks, where=found.picks > 0)
    ),
    "best keys by another order": plain(keys=lambda each: np.roll(each, 1, 2)),
    "best values by another order": plain(values=lambda each: np.roll(each, 1, 2)),
    "keys behind the sketch in another order": plain(late_keys=lambda each: np.roll(each, 1, 1)),
    "values behind the sketch dropped": plain(late_values=lambda each: 0 * each),
}


def test_without_a_fault_the_battery_passes() -> None:
    battery()


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_seen(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    FAULTS[fault](monkeypatch)
    with pytest.raises(AssertionError):
        battery()


def test_a_comparison_sees_one_number_in_a_hundred_thousand(monkeypatch: pytest.MonkeyPatch) -> None:
    around(compiled, "looked", lambda f, made: (f(made)[0] + 1e-4, f(made)[1]))(monkeypatch)
    with pytest.raises(AssertionError, match="output: off by"):
        check(look())
    assert torch.isfinite(compiled.looked(look())[0]).all()
