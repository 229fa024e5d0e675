"""Every row of the kernel table x every score x mask x bias x dtype: outputs, lse and gradients against the truth.

The parameters come from the table; what a row says it cannot do must be refused when the row is forced.
"""

from __future__ import annotations

from functools import cache

import pytest
import torch
from tests import cases
from tests.cases import TABLE
from tests.comparison import Truth, check, truth

import regard
from regard.kernels.row import Row
from regard.spec import KernelError, Request
from regard.spec.request import DTYPES

CELLS = [(mask, bias) for mask in cases.masks() for bias in cases.biases(torch.float32)]


@cache
def cell(score: str, mask: str, bias: str, dtype: torch.dtype) -> tuple[Request, Truth]:
    asked = cases.asked(score, mask, bias, dtype)
    return asked, truth(asked)


def test_the_grid_holds_every_score_of_the_table() -> None:
    known = {type(score) for score in cases.scores(torch.float32).values()}
    assert known == {score for row in TABLE for score in row.scores}


def able(row: Row, asked: Request, *, gradient: bool) -> bool:
    """Whether the table says that this row can do it: its own words, read here without the planner."""
    learned_bias = any(t.requires_grad for bias in asked.biases for t in bias.tensors())
    return (
        type(asked.score) in row.scores
        and (row.curved or straight(asked))
        and (row.sink or asked.sink is None)
        and (row.gradients or not gradient)
        and (row.bias_gradients or not (gradient and learned_bias))
    )


def straight(asked: Request) -> bool:
    curve = getattr(asked.score, "_curve", None)
    return curve is None or curve.straight


def force(row: Row, asked: Request) -> torch.Tensor:
    bias = (*asked.biases, *(() if asked.sink is None else (asked.sink,)))
    return regard.attend(
        asked.query, asked.key, asked.value, score=asked.score, mask=asked.mask, bias=bias, kernel=row.name
    )


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("score", cases.scores(torch.float32))
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_row(row: Row, score: str, dtype: torch.dtype) -> None:
    held = 0
    for mask, bias in CELLS:
        asked, true = cell(score, mask, bias, dtype)
        gradient = able(row, asked, gradient=True)
        if not gradient and mask == "no mask":
            with pytest.raises(KernelError, match=f"kernel='{row.name}' cannot do this"):
                force(row, asked)
        if able(row, asked, gradient=False):
            held += 1
            try:
                check(row, asked, true, gradients=gradient)
            except AssertionError as error:
                raise AssertionError(f"{score}, {mask}, {bias}, {dtype}: {error}") from None
    asked = cases.asked(score, dtype=dtype)
    assert (held > 0) == (type(asked.score) in row.scores and (row.curved or straight(asked)))
