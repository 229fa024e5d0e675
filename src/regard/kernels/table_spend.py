"""The kernel table's rows for calls under a budget."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from regard.kernels import focus, focus_choice, focus_shown, focus_tiles, focus_way, layout, tiled
from regard.kernels.cost import FEW, Cost
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


def run_tiles(request: Request) -> tuple[Tensor, Tensor]:
    """(output, lse) under the request's budget; neighbouring queries share a choice."""
    assert request.budget is not None
    kept = request.kept if isinstance(request.kept, Sketch) else None
    found = focus_tiles.tiles(request, request.budget, kept)
    return found.output, found.lse


def _fits_few(request: Request) -> str | None:
    count = request.place.query_len
    return focus.fits(request) if count <= FEW else f"is made for at most {FEW} queries, got {count}"


def _fits_many(request: Request) -> str | None:
    if request.place.query_len <= FEW and not request.wants_gradient():
        return f"is made for more than {FEW} queries, got {request.place.query_len}"
    if request.budget is not None and request.budget.tolerance is not None:
        return "keeps no tolerance"
    return focus.fits(request)


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
    read = share * BITS / policy.bits if isinstance(policy, Focus) else share
    flops = 2 * cells * (rank + read * (dim + value_dim))
    moved = lanes * place.key_len * (4 * rank + read * 5 * (dim + value_dim))
    return Cost(flops, moved, 16.0 * cells / max(1, place.query_len), 0.0, cells, float(lanes))


def tiles_cost(request: Request) -> Cost:
    """What the mask leaves, at the budget's share; a few queries of each tile judge all keys."""
    (dim, value_dim), budget = (request.key.shape[3], request.value.shape[3]), request.budget
    left = layout.work(request, max(1, focus_tiles.TALL // request.groups), tiled.WIDTH)
    if budget is None:
        return Cost(left.cells * 2 * (dim + value_dim), 0.0, 0.0, 0.0, left.cells)
    count = request.place.key_len
    share = budget.bytes(count, dim, value_dim) / max(1.0, count * (dim + value_dim) * BITS / 8)
    asked = focus_choice.ASKED * request.groups / focus_tiles.TALL
    cells = left.cells * (share + asked)
    numbers = 4.0 * sum(t.numel() for t in (request.query, request.key, request.value))
    return Cost(2 * left.cells * share * (dim + value_dim), 4 * numbers, numbers, 0.0, cells, float(left.strips))


_FOCUS = Row(
    name="focus",
    about="under a budget: the best keys one by one, all others through a sketch; at most 16 queries; "
    f"on a CPU {focus_way.told()}",
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
    fits=_fits_few,
    whole=False,
    shown=focus_shown.of_looks,
)
SPEND_ROWS: tuple[Row, ...] = (
    _FOCUS,
    replace(
        _FOCUS,
        name="focus-tiles",
        about="under a budget, for prompts: neighbouring queries share their choice of keys",
        run=run_tiles,
        cost=tiles_cost,
        gradients=True,
        flops_per_s=5e10,
        fixed_s=3e-3,
        fits=_fits_many,
        shown=focus_shown.of_tiles,
    ),
    replace(
        _FOCUS,
        name="policies",
        about="under a budget: other policies than regard's own, for comparison",
        scores=DOT,
        curved=True,
        empty=True,
        shown=None,
        fits=_fits_policy,
        policies=tuple(POLICIES),
    ),
)
