"""What the kernels are launched with."""

from __future__ import annotations

import pytest
import torch

from regard.kernels.triton import shapes, windowed
from regard.kernels.triton.band import Band
from regard.kernels.triton.shapes import backward_blocks, blocks, wide  # as they are, not as conftest.py makes them

ROOM = shapes.room


@pytest.mark.parametrize(("size", "expected"), [(0, 16), (1, 16), (16, 16), (17, 32), (64, 64), (65, 128)])
def test_sizes_that_triton_computes_in(size: int, expected: int) -> None:
    assert wide(size) == expected


@pytest.mark.parametrize("chosen", [blocks, backward_blocks])
def test_blocks_shrink_as_vectors_grow(chosen: object) -> None:
    """All powers of two of at least 16, as a GPU's matrix units want them; the wider of the vectors decides."""
    cells = []
    for dim in (16, 64, 128, 256, 512):
        made = chosen(dim, 16, torch.float16)  # type: ignore[operator]
        assert made == chosen(16, dim, torch.float16)  # type: ignore[operator]
        assert made.rows & (made.rows - 1) == made.cols & (made.cols - 1) == 0
        assert min(made.rows, made.cols) >= 16
        cells.append(made.rows * made.cols)
    assert cells == sorted(cells, reverse=True)
    wide_numbers = chosen(64, 64, torch.float32)  # type: ignore[operator]
    assert wide_numbers.rows * wide_numbers.cols < chosen(64, 64, torch.float16).rows * 64  # type: ignore[operator]


def test_a_calls_numbers() -> None:
    q, k, v = torch.zeros(2, 6, 5, 4), torch.zeros(2, 3, 7, 4), torch.zeros(2, 3, 7, 9)
    made = windowed.numbers(q, k, v, windowed.Setting(2, Band(3, 1), 0.5, None))
    assert made == shapes.Call(6, 2, 5, 7, 4, 9, start=2, before=3, after=1, scale=0.5, cap=1.0)
    assert windowed.numbers(q, k, v, windowed.Setting(2, Band(3, 1), 0.5, 30.0)).cap == 30.0
    assert shapes.four(q)[1:] == (120, 20, 4, 1)


def test_room_is_of_the_dtype_asked_for_or_the_tensors_own() -> None:
    like = torch.zeros(2, dtype=torch.float16)
    assert (ROOM(like, 3, 4).shape, ROOM(like, 3, 4).dtype) == ((3, 4), torch.float16)
    assert ROOM(like, 3, dtype=torch.float32).dtype == torch.float32


def test_a_cpu_tensor_needs_no_gpu_chosen() -> None:
    with shapes.on(torch.zeros(1)) as chosen:
        assert chosen is None
