"""Forecasts told by the tokens of the steps to come, each for its own steps."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from regard.nn.checks import check_dropout, check_sequence, check_sizes
from regard.nn.heads.horizon import ascending, checked_quantiles
from regard.spec.errors import ShapeError


class StepsAhead(nn.Module):
    """Tokens, of which the last ones stand for `patch` steps to come each -> `quantiles` of each of those steps.

    For a core that reads what is known ahead beside the past (`SeriesFrontEnd` with a horizon): every token of the
    future has looked at the past by itself, and one linear layer, the same for all, makes its steps of it. `Horizon`
    pools all tokens into one vector instead. Quantiles never cross, as there.
    """

    def __init__(self, dim: int, horizon: int, quantiles: Sequence[float], *, patch: int, dropout: float = 0.0) -> None:
        super().__init__()
        check_sizes("StepsAhead", dim=dim, horizon=horizon, patch=patch)
        check_dropout("StepsAhead", dropout)
        self.dim, self.horizon, self.patch = dim, horizon, patch
        self.quantiles = checked_quantiles(quantiles)
        self.dropout = nn.Dropout(dropout)
        self.steps = nn.Linear(dim, patch * len(self.quantiles))

    @property
    def tokens(self) -> int:
        """How many tokens stand for the steps to come; the last of them may reach beyond the horizon."""
        return -(-self.horizon // self.patch)

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, len, dim), whose last `tokens` are those of the future -> (batch, horizon, quantiles), ascending.

        Raises `ShapeError` for fewer tokens.
        """
        check_sequence("StepsAhead", x, self.dim)
        if x.shape[1] < self.tokens:
            raise ShapeError(
                f"StepsAhead: {x.shape[1]} tokens, expected the {self.tokens} of the future and any before"
            )
        raw = self.steps(self.dropout(x[:, -self.tokens :])).unflatten(-1, (self.patch, len(self.quantiles)))
        return ascending(raw.flatten(1, 2)[:, : self.horizon])
