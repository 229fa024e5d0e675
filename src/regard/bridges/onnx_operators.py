"""What torch's exporter has no ONNX form for, written in ONNX operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from regard.nn.drawn_lstm import operation


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """torch operation -> its form, for `torch.onnx.export(custom_translation_table=...)`; needs onnxscript."""
    from onnxscript import opset23

    op: Any = opset23  # constants are given without their types

    def sort(self: Any, stable: bool | None = None, dim: int = -1, descending: bool = False) -> Any:
        """TopK of the whole axis: of equals it gives the earlier first, which is what stable means."""
        size = op.Reshape(op.Shape(self, start=dim, end=dim + 1 or None), op.Constant(value_ints=[1]))
        return op.TopK(self, size, axis=dim, largest=int(descending), sorted=1)

    def lstm(x: Any, ahead: Any, again: Any, offsets: Any) -> Any:
        """ONNX's own, which has the steps first and an axis of directions after them."""
        states, _, _ = op.LSTM(op.Transpose(x, perm=[1, 0, 2]), ahead, again, offsets, hidden_size=again.shape[2])
        return op.Transpose(op.Squeeze(states, op.Constant(value_ints=[1])), perm=[1, 0, 2])

    return {torch.ops.aten.sort.stable: sort, operation(): lstm}
