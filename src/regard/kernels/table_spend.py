"""The kernel table's rows for calls under a budget."""

from __future__ import annotations

from torch import Tensor

from regard.kernels import focus
from regard.kernels.cost import Cost
from regard.kernels.policies import POLICIES, spend
from regard.kernels.row import DOT, Row
from regard.kernels.sketch import Sketch
from regard.spec.budget import BITS
from regard.spec.policy import Focus
from regard.spec.request import Request
from regard.spec.score import Dot, General, ScaledDot


def run(request: Request) -> tuple[Tensor, Tensor]:
    """(output, lse) under the request's budget."""
    assert request.budget is not None
    kept = request.kept if isinstance(request.kept, Sketch) else None
    found = spend(request, request.budget, kept)
    return found.output, found.lse


def _fits_policy(request: Request) -> str | None:
    return "needs a budget" if request.budget is None else None


def focus_cost(request: Request) -> Cost:
    """The sketch of every key for every query, and what the budget reads."""
    place, (dim, value_dim) = request.place, (request.key.shape[3], request.value.shape[3])
    cells = float(place.batch * place.heads * place.query_len * place.key_len)
    if request.budget is None:
        return Cost(2 * cells * dim, 0.0, 0.0, 0.0, cells)
    lanes = place.batch * request.key.shape[1] * place.query_len
    share = request.budget.bytes(place.key_len, dim, value_dim) / max(1.0, place.key_len * (dim + value_dim) * BITS / 8)
    policy = request.budget.policy
    rank = policy.sketch * dim / 4 if isinstance(policy, Focus) else dim
    read = 2 * share if isinstance(policy, Focus) and policy.bits == 8 else share
    flops = 2 * cells * (rank + read * (dim + value_dim))
    moved = lanes * place.key_len * (4 * rank + read * 5 * (dim + value_dim))
    return Cost(flops, moved, 16.0 * cells / max(1, place.query_len), 0.0, cells, float(lanes))


SPEND_ROWS: tuple[Row, ...] = (
    Row(
        name="focus",
        about="under a budget: the best keys one by one, all others through a sketch",
        run=run,
        cost=focus_cost,
        scores=(Dot, ScaledDot, General),
        curved=False,
        sink=True,
        dropout=False,
        empty=False,
        gradients=False,
        bias_gradients=False,
        lse=True,
        automatic=True,
        flops_per_s=2e10,
        fixed_s=1e-3,
        fits=focus.fits,
    ),
    Row(
        name="policies",
        about="under a budget: other policies than regard's own, for comparison",
        run=run,
        cost=focus_cost,
        scores=DOT,
        curved=True,
        sink=True,
        dropout=False,
        empty=True,
        gradients=False,
        bias_gradients=False,
        lse=True,
        automatic=True,
        flops_per_s=2e10,
        fixed_s=1e-3,
        fits=_fits_policy,
        policies=tuple(POLICIES),
    ),
)
