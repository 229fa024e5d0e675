"""Does a request account for what a model computed? Asked at three queries, which costs next to nothing."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from regard.kernels import dense
from regard.spec.bias import Bias, TensorBias
from regard.spec.mask import Mask
from regard.spec.membership import Dense
from regard.spec.request import Request

_TOLERANCE = {torch.float64: 1e-4, torch.float32: 1e-3}  # of the output's size; half types: 0.03
_HALF = 0.03


@torch.no_grad()
def accounts_for(request: Request, output: Tensor) -> str | None:
    """None where attention as `request` says gives `output` (batch, heads, query_len, value_dim); else the difference
    in words. Rows that may attend to nothing are not compared: models fill them in many ways."""
    if request.dropout or not request.place.query_len or not request.place.key_len:
        return None
    rows = some_rows(request)
    return accounts_for_rows(request, output[:, :, rows], rows)


def some_rows(request: Request) -> list[int]:
    """The first, the middle and the last query."""
    return sorted({0, request.place.query_len // 2, request.place.query_len - 1})


@torch.no_grad()
def accounts_for_rows(request: Request, output: Tensor, rows: list[int]) -> str | None:
    """The same where only `rows` were computed: `output` (batch, heads, len(rows), value_dim), without dropout."""
    if not request.place.key_len:
        return None
    made, lse = dense.run(_at(replace(request, dropout=0.0), rows))
    alive, given = torch.isfinite(lse)[..., None], output.to(made.dtype)
    off = float(torch.where(alive, (made - given).abs(), 0.0).nan_to_num(nan=torch.inf).max())
    size = float(torch.where(alive, given.abs(), 0.0).max())
    if off <= _tolerance(request.query, output) * (size + 1e-6):
        return None
    return (
        f"the call was read as [{_words(request)}], which does not give the model's own output "
        f"(off by {off:.2g}, of {size:.2g}): it computes something else"
    )


def _tolerance(query: Tensor, output: Tensor) -> float:
    """That of the coarser of the two; under autocast products are made in half precision, whatever goes in."""
    if torch.is_autocast_enabled(query.device.type):
        return _HALF
    return max(_TOLERANCE.get(query.dtype, _HALF), _TOLERANCE.get(output.dtype, _HALF))


def _at(request: Request, rows: list[int]) -> Request:
    """The same call for these queries alone; mask and biases are written out for them, so that places do not matter."""
    place = request.place

    def written(part: Mask | Bias) -> Tensor:
        tiles = [part.tile(range(row, row + 1), place.cols, place) for row in rows]
        size = (place.batch, place.heads, 1, place.key_len)
        return torch.cat([tile.expand(size) for tile in tiles], 2)

    return replace(
        request,
        query=request.query[:, :, rows],
        mask=None if request.mask is None else Dense(written(request.mask)),
        biases=tuple(TensorBias(written(each)) for each in request.biases),
        place=replace(place, query_len=len(rows)),
    )


def _words(request: Request) -> str:
    mask = "no mask" if request.mask is None else request.mask.words()
    parts = (repr(request.score), mask, *(repr(each) for each in (*request.biases, request.sink) if each is not None))
    return ", ".join(parts)
