"""The kernels run on a GPU where there is one, else in Triton's interpreter, over small blocks and poisoned memory."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from regard.kernels.triton import shapes

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # read when triton is imported


@pytest.fixture(autouse=True)
def _triton(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Skip loudly where triton is missing, fail in CI; else set the stage."""
    if importlib.util.find_spec("triton") is None:
        missing = 'triton is not installed (Linux alone has it); type: pip install "triton>=3.7.1"'
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    monkeypatch.setattr(shapes, "blocks", lambda *_: shapes.Blocks(16, 32, 4, 1))
    monkeypatch.setattr(shapes, "backward_blocks", lambda *_: shapes.Blocks(16, 16, 4, 1))
    monkeypatch.setattr(shapes, "room", poisoned)
    if not torch.cuda.is_available():
        _interpreted(monkeypatch)
    with np.errstate(over="ignore", invalid="ignore"):  # exp2 of what is too large is infinity, as on a GPU
        yield


def poisoned(like: Tensor, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
    """Memory that shows where a kernel wrote nothing."""
    return torch.full(shape, torch.nan, dtype=dtype or like.dtype, device=like.device)


def _interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    import triton.language as tl
    from triton.runtime import interpreter

    if not isinstance(tl.sum, interpreter.InterpretedFunction):
        pytest.fail("triton was imported before TRITON_INTERPRET=1 was set: set it in the environment")
    original = interpreter.InterpreterBuilder.create_dot

    def create_dot(self: Any, left: Any, right: Any, *rest: Any) -> Any:
        return original(self, widened(left), widened(right), *rest)

    def widened(handle: Any) -> Any:
        """The interpreter keeps bfloat16 as its bits and multiplies those; a GPU multiplies the numbers."""
        if handle.dtype.scalar != tl.bfloat16:
            return handle
        numbers = (handle.data.astype(np.uint32) << 16).view(np.float32)
        return interpreter.TensorHandle(numbers, tl.float32)

    monkeypatch.setattr(interpreter.InterpreterBuilder, "create_dot", create_dot)
