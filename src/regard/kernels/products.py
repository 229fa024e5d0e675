"""The matrix product that tiles of scores are made with.

torch multiplies float32 matrices on a CPU with the BLAS it was built on. oneDNN, which every torch build for x86
carries as well, is the faster one where that BLAS knows little of the processor (measured: docs/decisions/). torch
offers it under a private name, so it is asked for in this one place, and done without where it is missing.
"""

from __future__ import annotations

import torch
from torch import Tensor


def _onednn_works() -> bool:
    """Whether torch's private operation is there, takes these arguments, and multiplies right."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    left, right = torch.arange(6.0).view(2, 3), torch.arange(12.0).view(4, 3)
    try:
        turned = right.mT.contiguous().mT
        return torch.equal(_onednn(left, right), left @ right.mT) and torch.equal(
            _onednn(left, turned), left @ right.mT
        )
    except (RuntimeError, TypeError):
        return False


def _onednn(left: Tensor, right: Tensor) -> Tensor:
    made: Tensor = torch.ops.mkldnn._linear_pointwise(left, right, None, "none", [], "")
    return made


_ONEDNN: list[bool] = []  # asked once, at the first product: importing stays quick


def product(left: Tensor, right: Tensor) -> Tensor:
    """left (rows, d) · right (cols, d) transposed: a new (rows, cols) tensor. No gradient flows.

    `right` may be the transpose of a contiguous tensor: that costs nothing more.
    """
    if left.dtype != torch.float32 or left.device.type != "cpu" or not (left.numel() and right.numel()):
        return left @ right.mT
    if not _ONEDNN:
        _ONEDNN.append(_onednn_works())
    if not _ONEDNN[0]:
        return left @ right.mT
    # any other strides would be multiplied a thousand times slower
    plain = right.is_contiguous() or right.mT.is_contiguous()
    return _onednn(left.contiguous(), right if plain else right.contiguous())
