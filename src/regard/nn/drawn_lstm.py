"""An LSTM as a graph is to hold it: one operation for any number of steps, where torch would draw each step apart."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

NAME = "regard::lstm"


def lstm(layer: nn.LSTM, x: Tensor) -> Tensor:
    """What the layer (batch first, of one direction and depth) makes of x (batch, len, size): (batch, len, hidden).

    The weights are laid out as ONNX's LSTM has them: (1, 4 hidden, size), (1, 4 hidden, hidden) and (1, 8 hidden), the
    gates in the order input, output, forget, cell, where torch has input, forget, cell, output.
    """
    ahead, again, *offsets = (_reordered(getattr(layer, name)) for name in _WEIGHTS)
    made: Tensor = operation()(x, ahead[None], again[None], torch.cat(offsets)[None])
    return made


@lru_cache(maxsize=1)
def operation() -> Any:
    """The operation by its name in a graph. It has sizes, and computes nothing by itself."""

    def unknown(x: Tensor, ahead: Tensor, again: Tensor, offsets: Tensor) -> Tensor:
        raise RuntimeError(f"{NAME} stands in graphs that are drawn, and is not run")

    made = torch.library.custom_op(
        NAME, unknown, mutates_args=(), schema="(Tensor x, Tensor ahead, Tensor again, Tensor offsets) -> Tensor"
    )
    made.register_fake(lambda x, ahead, again, offsets: x.new_empty(*x.shape[:2], again.shape[2]))
    return made._opoverload


_WEIGHTS = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


def _reordered(weights: Tensor) -> Tensor:
    into, forget, cell, out = weights.chunk(4)
    return torch.cat((into, out, forget, cell))
