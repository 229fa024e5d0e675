"""Position encodings: values by hand, and what rotation must and must not change."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from regard.spec import Learned, Rotary, ShapeError, Sinusoidal, SpecError
from regard.spec.value import Value


def test_sinusoidal_values_by_hand() -> None:
    table = Sinusoidal().table(torch.tensor([0, 1, 7]), 4)
    assert table.dtype == torch.float32
    expected = [[math.sin(p), math.cos(p), math.sin(p / 100), math.cos(p / 100)] for p in (0, 1, 7)]
    torch.testing.assert_close(table, torch.tensor(expected))
    assert table[0].tolist() == [0.0, 1.0, 0.0, 1.0]


def test_sinusoidal_base_is_the_last_wavelength() -> None:
    table = Sinusoidal(base=16.0).table(torch.tensor([3]), 6)[0]
    angles = [3 / 16 ** (2 * i / 6) for i in range(3)]
    assert table.tolist() == pytest.approx([f(a) for a in angles for f in (math.sin, math.cos)], abs=1e-6)


def test_rotary_turns_pairs_half_the_size_apart() -> None:
    x = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    turned = Rotary().turn(x, torch.tensor([2, 2, 2]))
    fast, slow = 2.0, 2 / 100
    expected = [
        [math.cos(fast), 0, math.sin(fast), 0],
        [0, math.cos(slow), 0, math.sin(slow)],
        [0, -math.sin(slow), 0, math.cos(slow)],
    ]
    torch.testing.assert_close(turned, torch.tensor(expected))


def test_rotary_leaves_position_0_alone() -> None:
    x = torch.randn(2, 3, 5, 6)
    assert torch.equal(Rotary().turn(x, torch.zeros(5, dtype=torch.int64)), x)


positions = st.integers(-100, 100)


@settings(deadline=None)
@given(first=positions, second=positions, shift=positions, seed=st.integers(0, 9))
def test_rotary_keeps_lengths_and_sees_only_distance(first: int, second: int, shift: int, seed: int) -> None:
    q, k = torch.randn(2, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).split(1)

    def turned(x: torch.Tensor, position: int) -> torch.Tensor:
        return Rotary(base=100.0).turn(x, torch.tensor([position]))

    torch.testing.assert_close(turned(q, first).norm(), q.norm(), rtol=1e-6, atol=0)
    here = (turned(q, first) * turned(k, second)).sum()
    there = (turned(q, first + shift) * turned(k, second + shift)).sum()
    torch.testing.assert_close(here, there, rtol=0, atol=2e-4)  # angles are float32: 200 * 2^-24 rad a coordinate


def test_rotary_distance_matters() -> None:
    q, k = torch.ones(2, 8).split(1)
    near, far = (Rotary().turn(q, torch.tensor([p])) @ Rotary().turn(k, torch.tensor([0])).mT for p in (1, 5))
    assert (near - far).abs() > 0.5


def test_rotary_keeps_dtype_and_leading_axes() -> None:
    x = torch.ones(2, 3, 5, 4, dtype=torch.bfloat16)
    turned = Rotary().turn(x, torch.arange(5))
    assert turned.dtype == torch.bfloat16
    assert turned.shape == x.shape
    assert torch.equal(turned[0, 0], turned[1, 2])


@pytest.mark.parametrize("shape", [(1,), (4,), (5, 1), (2, 5)])
def test_rotary_takes_one_position_a_vector(shape: tuple[int, ...]) -> None:
    with pytest.raises(
        ShapeError, match=r"positions have shape .* but x has 5 vectors; expected \(5,\), one position a"
    ):
        Rotary().turn(torch.ones(2, 5, 4), torch.zeros(shape))


def test_odd_sizes_are_refused() -> None:
    for call in (
        lambda: Sinusoidal().table(torch.arange(3), 5),
        lambda: Rotary().turn(torch.ones(3, 5), torch.arange(3)),
    ):
        with pytest.raises(ShapeError, match=r"dim=5: sinusoidal and rotary positions turn pairs .* must be even"):
            call()


@pytest.mark.parametrize("kind", [Sinusoidal, Rotary])
@pytest.mark.parametrize("base", [0, -1.0, float("nan"), float("inf"), "10000", None])
def test_a_base_is_a_finite_number_above_0(kind: type[Value], base: object) -> None:
    with pytest.raises(SpecError, match=rf"{kind.__name__}\(base=.*\): expected a finite number above 0"):
        kind(base=base)  # type: ignore[call-arg]


@pytest.mark.parametrize("length", [0, -3, 2.5, "512", True])
def test_learned_positions_have_a_length(length: object) -> None:
    assert Learned(1).max_len == 1
    with pytest.raises(SpecError, match=r"Learned\(max_len=.*\): expected a whole number, at least 1"):
        Learned(length)  # type: ignore[arg-type]
