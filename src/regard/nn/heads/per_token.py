"""One answer for every token, and the loss that leaves padding out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from regard.nn.checks import check_dropout, check_sequence, check_sizes
from regard.nn.heads.present import real
from regard.spec.errors import ShapeError, SpecError
from regard.spec.value import described


class TokenClasses(nn.Module):
    """`classes` logits for each token: tags of words, the classes of patches, of steps, of bases."""

    def __init__(self, dim: int, classes: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        check_sizes("TokenClasses", dim=dim, classes=classes)
        check_dropout("TokenClasses", dropout)
        self.dim = dim
        self.dropout = nn.Dropout(dropout)
        self.classes = nn.Linear(dim, classes)

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, len, dim) -> logits (batch, len, classes), those of padding too. Raises `ShapeError`."""
        check_sequence("TokenClasses", x, self.dim)
        logits: Tensor = self.classes(self.dropout(x))
        return logits


def token_loss(logits: Tensor, targets: Tensor, present: Tensor | None = None, *, smoothing: float = 0.0) -> Tensor:
    """The mean over real tokens of -ln p(target), in nats: logits (batch, len, classes), targets (batch, len) int64.

    `present` as in the heads; targets of other tokens are not looked at. `smoothing` spreads that share of the target
    evenly over all classes (Szegedy et al. 2015, arXiv 1512.00567, §7). In float32 at least; 0 where no token is real.

    Raises `ShapeError` for shapes that do not fit, `SpecError` for a target that is no class.
    """
    if logits.dim() != 3 or targets.shape != logits.shape[:2] or targets.dtype not in (torch.int64, torch.int32):
        raise ShapeError(
            f"token_loss: logits {described(logits)}, targets {described(targets)}: expected (batch, len, classes) and "
            "(batch, len) int64"
        )
    there = real("token_loss", logits, present)
    chosen, wanted = logits[there], targets.to(torch.int64)[there]
    if not len(wanted):
        return logits.sum() * 0.0
    low, high, classes = int(wanted.min()), int(wanted.max()), logits.shape[-1]
    if low < 0 or high >= classes:
        raise SpecError(
            f"token_loss: targets run from {low} to {high}, but there are classes 0 to {classes - 1}: leave out by "
            "present= what is not to count"
        )
    working = torch.promote_types(logits.dtype, torch.float32)
    return nn.functional.cross_entropy(chosen.to(working), wanted, label_smoothing=smoothing)
