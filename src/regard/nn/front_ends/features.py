"""The columns of a table to tokens: one for each feature, numbers and categories alike, with what is missing told."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from regard.nn.checks import any_is, check_dropout, check_sizes
from regard.nn.front_ends.standardised import Standardised
from regard.nn.front_ends.tokens import Tokens
from regard.nn.front_ends.units import Spans
from regard.spec.errors import DataError, ShapeError, SpecError
from regard.spec.value import described


class FeatureFrontEnd(nn.Module):
    """A token for each feature (Gorishniy et al. 2021, arXiv 2106.11959, §3.3): b_j + x_j w_j of a number, b_j plus the
    category's vector of a category. Numbers come first. A value that is missing has a trained vector in its place.

    numbers: how many. categories: of each column of categories, how many there are. Numbers are brought to mean 0 and
    deviation 1 by constants of the training part, `standard`. Departs from the paper: there is no token of its own
    ([CLS]) for the answer; what stands on the core pools the features. Raises `SpecError` for no feature at all, or a
    column of no categories.
    """

    def __init__(self, numbers: int, categories: Sequence[int], dim: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        check_sizes("FeatureFrontEnd", dim=dim)
        check_dropout("FeatureFrontEnd", dropout)
        if isinstance(numbers, bool) or not isinstance(numbers, int) or numbers < 0:
            raise SpecError(f"FeatureFrontEnd(numbers={described(numbers)}): expected a whole number, 0 for none")
        if any(size < 1 for size in categories) or not numbers + len(categories):
            raise SpecError(
                f"FeatureFrontEnd(numbers={numbers}, categories={list(categories)}): expected at least one feature, "
                "and at least one category in each column of categories"
            )
        self.dim, self.numbers, self.categories = dim, numbers, tuple(categories)
        self.standard = Standardised(numbers) if numbers else None
        features = numbers + len(self.categories)
        self.slopes = nn.Parameter(torch.empty(numbers, dim))
        self.table = nn.Parameter(torch.empty(sum(self.categories), dim))
        self.offsets = nn.Parameter(torch.empty(features, dim))
        self.missing = nn.Parameter(torch.empty(features, dim))
        for weights in (self.slopes, self.table, self.offsets, self.missing):
            nn.init.uniform_(weights, -(dim**-0.5), dim**-0.5)
        starts = torch.tensor([0, *self.categories]).cumsum(0)[:-1] if self.categories else torch.empty(0)
        self.register_buffer("starts", starts.to(torch.int64), persistent=False)
        self.dropout = nn.Dropout(dropout)

    starts: Tensor

    @property
    def longest(self) -> int:
        return self.numbers + len(self.categories)

    def units(self) -> Spans:
        """Token i covers feature i."""
        return Spans("feature", "features")

    def forward(self, numbers: Tensor, categories: Tensor, present: Tensor) -> Tokens:
        """numbers (batch, numbers) floats, categories (batch, columns) int64, present (batch, features) bool ->
        tokens (batch, features, dim). What is not present may be anything.

        Raises `ShapeError` for other shapes, `DataError` for a number that is not finite or a category that there is
        not.
        """
        self._check(numbers, categories, present)
        there = present[..., None]
        parts = []
        if self.standard is not None:
            ready = self.standard(numbers.masked_fill(~present[:, : self.numbers], 0.0)).to(self.slopes.dtype)
            parts.append(ready[..., None] * self.slopes)
        if self.categories:
            ids = categories.masked_fill(~present[:, self.numbers :], 0)
            parts.append(nn.functional.embedding(ids + self.starts, self.table))
        x = self.offsets + torch.where(there, torch.cat(parts, 1), self.missing)
        return Tokens(self.dropout(x), None, self.units())

    def _check(self, numbers: Tensor, categories: Tensor, present: Tensor) -> None:
        batch, columns = numbers.shape[0], len(self.categories)
        shapes = ((numbers, self.numbers), (categories, columns), (present, self.numbers + columns))
        if any(given.shape != (batch, size) for given, size in shapes) or present.dtype != torch.bool:
            raise ShapeError(
                f"FeatureFrontEnd: got {described(numbers)}, {described(categories)} and {described(present)}, "
                f"expected numbers (batch, {self.numbers}), categories (batch, {columns}) and bool (batch, "
                f"{self.numbers + columns})"
            )
        wrong = ~numbers.isfinite() & present[:, : self.numbers]
        if any_is(wrong):
            row, place = wrong.nonzero()[0].tolist()
            raise DataError(
                f"FeatureFrontEnd: numbers[{row}, {place}] is {float(numbers[row, place])}; say with present= what is "
                "missing"
            )
        sizes = torch.tensor(self.categories, device=categories.device)
        odd = ((categories < 0) | (categories >= sizes)) & present[:, self.numbers :]
        if any_is(odd):
            row, place = odd.nonzero()[0].tolist()
            raise DataError(
                f"FeatureFrontEnd: categories[{row}, {place}] is {int(categories[row, place])}, and the column has 0 "
                f"to {self.categories[place] - 1}"
            )
