"""One vector times one layer's attention, v A, over tiles of weights: memory linear in the lengths."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from regard.kernels import row_sums, second_pass
from regard.kernels.tallies import Piece
from regard.lens.flow import Call
from regard.spec.errors import SpecError

__all__ = ["carried", "carried_by_gradient", "carried_by_norm"]

Carry = Callable[[Call, Tensor], Tensor]


def carried(call: Call, mass: Tensor) -> Tensor:
    """mass (queries,) float64 -> (keys,) float64: Σ over queries of mass times weight, the mean over heads. What a
    query with no key to attend to had is lost."""
    tally = _Carried(call, mass)
    _pass(call, mass, tally)
    return tally.total.double()


def carried_by_gradient(call: Call, mass: Tensor) -> Tensor:
    """As `carried`, each weight times the score's gradient with respect to it, where that is above 0; the mean over
    heads of Ā = (∇A ⊙ A)+ (Chefer et al. 2021, eq. 5).

    The gradient of a weight is its query's gradient of the call's output, times its key's value: it is made tile by
    tile too. The call must have been recorded with gradients.
    """
    if call.gradient is None:
        raise SpecError(f"{call.name} was recorded without gradients")
    tally = _ByGradient(call, mass, call.gradient)
    _pass(call, mass, tally)
    return tally.total.double()


def carried_by_norm(call: Call, mass: Tensor) -> Tensor:
    """As `carried`, with ‖Σ_h α_h v_h W_h‖, the size of what a key's vector adds to a query's output (Kobayashi et al.
    2020, eq. 4, over all heads), as shares of each query's sum, in place of weights.

    Two passes over the tiles: the first sums up each query's sizes. Needs the call's values.
    """
    sizes = _Norms(call)
    _pass(call, mass, sizes)
    shares = torch.where(sizes.sums > 0, mass / sizes.sums.clamp(min=1e-300), 0.0)
    tally = _Norms(call, shares)
    _pass(call, mass, tally)
    return tally.total


def _pass(call: Call, mass: Tensor, tally: _Carried | _ByGradient | _Norms) -> None:
    """Shows the tally the weights of every query that has some mass."""
    asked = call.request
    with torch.no_grad(), torch.autocast(asked.query.device.type, enabled=False):
        rows, heads = torch.nonzero(mass)[:, 0], tuple(range(asked.place.heads))
        if not len(rows):
            return
        ready = second_pass.made(asked)
        lse = row_sums.lse(asked, ready, rows, heads)
        tally.queries = rows
        second_pass.run(asked, ready, lse, [tally], queries=rows, heads=heads, keys=asked.place.cols)


class _Carried:
    """Σ mass * weight for every key, (keys,)."""

    width = 1024
    queries: Tensor

    def __init__(self, call: Call, mass: Tensor) -> None:
        self.heads = call.request.place.heads
        self.mass = mass
        self.total = torch.zeros(call.request.place.key_len, dtype=torch.float64)

    def add(self, piece: Piece) -> None:
        part = self.mass[self.queries[piece.chunk.part]].to(piece.weights.dtype)
        sums = part @ piece.weights.view(piece.apart).sum(0)
        self.total[piece.cols.start : piece.cols.stop] += sums.double() / self.heads


class _ByGradient:
    """Σ mass * (weight * its gradient)+ for every key, (keys,)."""

    width = 1024
    queries: Tensor

    def __init__(self, call: Call, mass: Tensor, gradient: Tensor) -> None:
        self.request, self.gradient, self.mass = call.request, gradient, mass
        self.total = torch.zeros(call.request.place.key_len, dtype=torch.float64)

    def add(self, piece: Piece) -> None:
        rows = self.queries[piece.chunk.part]
        lane = piece.lane
        values = self.request.value[lane.batch, lane.key_head, piece.cols.start : piece.cols.stop]
        slopes = self.gradient[lane.batch, list(lane.heads)][:, rows] @ values.mT  # (heads, count, cols)
        useful = (slopes.to(piece.weights.dtype) * piece.weights.view(piece.apart)).clamp_(min=0).sum(0)
        sums = self.mass[rows].to(useful.dtype) @ useful
        self.total[piece.cols.start : piece.cols.stop] += sums.double() / self.request.place.heads


class _Norms:
    """The sizes of what each key adds to each query: their sum for every query (queries of the call,), or with `mass`
    the sum over queries of mass times size for every key.

    ‖Σ_h α_h u_h‖² = Σ_hg α_h α_g u_h·u_g for the vectors u_h = v_h W_h of one key: the heads' weights of a tile, and
    for each key a heads x heads table. The lanes of one tile come one after the other.
    """

    width = 256  # each tile is held for all heads, times the heads

    queries: Tensor

    def __init__(self, call: Call, mass: Tensor | None = None) -> None:
        place = call.request.place
        self.mass, self.products = mass, _products(call)
        self.total = torch.zeros(place.key_len, dtype=torch.float64)
        self.sums = torch.zeros(place.query_len, dtype=torch.float64)
        self.spot: tuple[slice, int, int] | None = None
        self.held: list[Tensor] = []
        self.heads = place.heads

    def add(self, piece: Piece) -> None:
        spot = (piece.chunk.part, piece.cols.start, piece.cols.stop)
        if spot != self.spot:
            self.spot, self.held = spot, []
        self.held.append(piece.weights.view(piece.apart).clone())
        if sum(len(part) for part in self.held) == self.heads:
            self._take(torch.cat(self.held), self.queries[piece.chunk.part], slice(*spot[1:]))

    def _take(self, weights: Tensor, rows: Tensor, cols: slice) -> None:
        """weights (heads, count, cols) of every head."""
        mixed = torch.einsum("hrc,chg->grc", weights, self.products[cols].to(weights.dtype))
        sizes = (mixed * weights).sum(0).clamp_(min=0).sqrt_().double()
        if self.mass is None:
            self.sums[rows] += sizes.sum(1)
        else:
            self.total[cols] += self.mass[rows] @ sizes


def _products(call: Call) -> Tensor:
    """(keys, heads, heads) the products u_h · u_g of what each head would add of a key, if its weight were 1."""
    asked = call.request
    values = asked.value[0].repeat_interleave(asked.groups, 0)  # (heads, keys, value_dim)
    found = []
    for part in torch.split(values, 1024, 1):
        if call.projection is None:
            # without a projection the heads lie side by side, and nothing of one meets anything of another
            found.append(torch.diag_embed((part * part).sum(-1).mT))
            continue
        made = torch.einsum("hkd,hdo->kho", part.float(), call.projection.float())
        found.append(made @ made.mT)
    return torch.cat(found)
