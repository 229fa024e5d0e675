"""How far two boxes lie on each other, on any number of axes, differentiable.

A box is (low corner, high corner): 4 numbers in a picture, 2 on a line. Shapes broadcast: (..., 2 * axes) each; with
`a[:, None]` and `b[None]` every box of one set meets every box of the other.
"""

from __future__ import annotations

import torch
from torch import Tensor

from regard.spec.errors import ShapeError


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union, 0 to 1; 0 where both are empty. Shapes above; raises `ShapeError`.

    >>> iou(torch.tensor([0.0, 0.0, 2.0, 2.0]), torch.tensor([1.0, 0.0, 3.0, 2.0]))  # 2 of 6
    tensor(0.3333)
    """
    shared, union, _ = _volumes(a, b)
    return shared / union.clamp_min(torch.finfo(union.dtype).tiny)


def generalised_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU less the share of their common hull that is in neither: -1 to 1 (Rezatofighi et al. 2019, arXiv 1902.09630).

    Its gradient draws boxes together that do not meet. A hull without volume counts as full.
    """
    shared, union, hull = _volumes(a, b)
    tiny = torch.finfo(union.dtype).tiny
    return shared / union.clamp_min(tiny) - (hull - union) / hull.clamp_min(tiny)


def _volumes(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Volumes of what both share, of what either has, and of the smallest box around both; in float32 at least."""
    if a.shape[-1] != b.shape[-1] or a.shape[-1] % 2 or not a.shape[-1]:
        raise ShapeError(
            f"boxes {tuple(a.shape)} and {tuple(b.shape)}: expected (..., 2 * axes) of equally many axes, low corner "
            "then high corner"
        )
    working = torch.promote_types(torch.promote_types(a.dtype, b.dtype), torch.float32)
    (a_low, a_high), (b_low, b_high) = a.to(working).chunk(2, -1), b.to(working).chunk(2, -1)
    shared = _volume(torch.maximum(a_low, b_low), torch.minimum(a_high, b_high))
    union = _volume(a_low, a_high) + _volume(b_low, b_high) - shared
    return shared, union, _volume(torch.minimum(a_low, b_low), torch.maximum(a_high, b_high))


def _volume(low: Tensor, high: Tensor) -> Tensor:
    return (high - low).clamp_min(0.0).prod(-1)
