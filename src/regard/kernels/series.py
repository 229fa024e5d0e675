"""Strips of equal shape along a diagonal, as one tensor: a window's blocks in a single call.

Strip after strip, queries and keys begin one strip's height further on. So they are views of one memory, (heads,
strips, rows, d), in which the keys of neighbours overlap: nothing is copied.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Series:
    """`count` strips of `rows` queries and `keys` keys; the first begins at query `row` and key `col`."""

    row: int
    col: int
    rows: int
    keys: int
    count: int = 1

    def takes(self, other: Series) -> bool:
        """Whether this one strip is the next of the series."""
        gone = self.count * self.rows
        return other == Series(self.row + gone, self.col + gone, self.rows, self.keys)

    @property
    def span(self) -> slice:
        """The queries of all strips."""
        return slice(self.row, self.row + self.count * self.rows)

    def of_queries(self, tensor: Tensor) -> Tensor:
        """(heads, n, x) -> (heads, count, rows, x), a view."""
        return self._view(tensor, self.row, self.rows)

    def of_keys(self, tensor: Tensor) -> Tensor:
        """(heads, m, x) -> (heads, count, keys, x), a view whose strips overlap: to be read only."""
        return self._view(tensor, self.col, self.keys)

    def _view(self, tensor: Tensor, first: int, length: int) -> Tensor:
        head, step, entry = tensor.stride()
        shape = (tensor.shape[0], self.count, length, tensor.shape[2])
        return tensor.as_strided(shape, (head, self.rows * step, step, entry), tensor.storage_offset() + first * step)
