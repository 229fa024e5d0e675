"""Powers of two and halves, against NumPy's own."""

from __future__ import annotations

import numpy as np
import pytest
from tests.focus_ways import needed

needed()

from regard.kernels.compiled import floats  # noqa: E402


def test_powers_of_two() -> None:
    x = np.concatenate((np.linspace(-126, 0, 5001), -np.arange(127), [-1e-8, -0.5, -1.5])).astype(np.float32)
    found = np.array([floats.exp2(each) for each in x])
    np.testing.assert_allclose(found, np.exp2(x.astype(float)), rtol=3e-7)
    assert floats.exp2(np.float32(0)) == 1
    assert floats.exp2(np.float32(-7)) == 2**-7


@pytest.mark.parametrize("x", [-126.01, -150, -1e30, -np.inf, np.nan])
def test_what_is_too_small_is_nothing(x: float) -> None:
    assert floats.exp2(np.float32(x)) == 0


def test_every_finite_half() -> None:
    bits = np.arange(1 << 16, dtype=np.uint16).view(np.int16)
    wanted = bits.view(np.float16).astype(np.float32)
    for each, want in zip(bits, wanted, strict=True):
        if np.isfinite(want):
            assert floats.widened(each) == want


def test_the_largest_number() -> None:
    numbers = np.array([1, 5, -np.inf, 2], np.float32)
    assert floats.peak(numbers, np.float32(-1)) == 5
    assert floats.peak(numbers, np.float32(7)) == 7
    assert floats.peak(numbers[:0], np.float32(7)) == 7
    for lost in (np.nan, np.inf):
        assert np.isnan(floats.peak(np.array([1, lost, 3], np.float32), np.float32(0)))
    assert np.isnan(floats.peak(numbers, np.float32(np.nan)))


def test_the_sum() -> None:
    assert floats.total(np.arange(101, dtype=np.float32)) == 5050
