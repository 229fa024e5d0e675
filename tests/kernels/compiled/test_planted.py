"""Planted errors in compiled loops: each must raise AssertionError where they are compared with torch's operations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.faults import Patch, around
from tests.focus_ways import check, needed
from tests.looks import POLICY, causal, look
from torch import Tensor

needed()

from regard.kernels.compiled import look as compiled  # noqa: E402
from regard.kernels.compiled.compiler import Array  # noqa: E402
from regard.kernels.compiled.lanes import Asked, Stock  # noqa: E402


def battery() -> None:
    """At every resolution, alone and in groups, with a mask and without."""
    for bits in (4, 8, 16):
        policy = replace(POLICY, bits=bits)
        check(look(policy=policy))
        check(look(policy=policy, groups=1, allowed=causal(2, 157, [30, 0])))


def stock(**changed: Callable[[Array], Array]) -> Patch:
    """Each `changed(array)` gives another array of the sketch."""
    return around(compiled, "_stock", lambda f, sketch: others(Stock._fields, f(sketch), changed))


def terms(**changed: int) -> Patch:
    """Other terms, by so much."""
    return around(
        compiled,
        "_terms",
        lambda f, made: f(made)._replace(**{name: getattr(f(made), name) + by for name, by in changed.items()}),
    )


def cache(**changed: int) -> Patch:
    """Keys and values elsewhere, by so much."""
    return around(
        compiled,
        "_cache",
        lambda f, rows: f(rows)._replace(**{name: getattr(f(rows), name) + by for name, by in changed.items()}),
    )


def asked(**changed: Callable[[Array], Array]) -> Patch:
    return around(compiled, "_asked", lambda f, made: others(Asked._fields, f(made), changed))


def others(names: tuple[str, ...], found: list[Tensor], changed: dict[str, Callable[[Array], Array]]) -> list[Tensor]:
    """The tensors of these names, some of them changed."""
    return [
        torch.from_numpy(np.ascontiguousarray(changed[name](each.numpy()))) if name in changed else each
        for name, each in zip(names, found, strict=True)
    ]


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
    "rows as they are of another lane": cache(lane=-19),
    "rows as they are that overlap": cache(row=-1),
    "rows as they are from the second number on": cache(address=4),
    "scale 1 % off": asked(query=lambda each: each * np.float32(1.01)),
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
