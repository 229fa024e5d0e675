"""What a decoder reads while it writes: the encoded tokens of each source, and which of them are real."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from regard.nn.heads.present import mask_over, real
from regard.spec.errors import ShapeError, SpecError
from regard.spec.mask import Mask
from regard.spec.value import described


@dataclass(frozen=True, eq=False)
class Context:
    """tokens (batch, source_len, dim), present (batch, source_len) bool, True on real ones; absent tokens are 0."""

    tokens: Tensor
    present: Tensor

    @classmethod
    def of(cls, tokens: Tensor, present: Tensor | None = None) -> Context:
        """`present`: None where all tokens are real, (batch,) int64 lengths, or (batch, source_len) bool.

        Raises `ShapeError` for what does not fit the tokens.
        """
        if not isinstance(tokens, Tensor) or tokens.dim() != 3:
            raise ShapeError(f"Context(tokens={described(tokens)}): expected (batch, source_len, dim)")
        there = real("Context", tokens, present)
        return cls(tokens.masked_fill(~there[..., None], 0.0), there)  # 0 times NaN is NaN

    def mask(self) -> Mask | None:
        """What keeps a query off the absent tokens; None where there are none."""
        return mask_over(self.present)

    def select(self, items: Tensor) -> Context:
        """The batch items `items` (new_batch,) int64, in that order; an item may come twice."""
        return Context(self.tokens[items], self.present[items])

    def refuse_empty(self) -> None:
        """Raise `SpecError`, naming the first source without a token: there is nothing to write from."""
        empty = (~self.present.any(-1)).nonzero()[:, 0].tolist()
        if empty:
            raise SpecError(f"source {empty[0]} of the batch has no token, so that there is nothing to decode from")
