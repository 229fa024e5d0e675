"""One call of a model, measured at a few of its queries: where they look, and what policies make of their output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from regard.allocate.cut import at_rows, each_key, pairs
from regard.allocate.profiled import SIGHTS
from regard.allocate.spending import kept_to
from regard.engine.observation import Wanted
from regard.engine.observe import statistics
from regard.engine.seam_cut import span
from regard.kernels.sketch import Sketch
from regard.spec.budget import Budget
from regard.spec.errors import RegardError
from regard.spec.mask import Mask
from regard.spec.policy import Focus, Policy, WindowSinks
from regard.spec.positional import Prefix, Window
from regard.spec.request import Request

FIRST, LATEST = 4, 64  # keys whose share of the weight is told
STRETCH = 4  # queries that are measured together: what a policy makes of all keys is made once for them


@dataclass(frozen=True, eq=False)
class Measured:
    """One call, measured at `rows` of its queries.

    figures: by the names of `Layer`, without weight and cost. deltas: (batch, heads, rows, policies * fractions,
    value_dim), what each policy's output is off by at each fraction.
    """

    rows: Tensor
    figures: dict[str, Tensor]
    deltas: Tensor


@dataclass(frozen=True)
class Asked:
    """What is measured of each call: `queries` of its queries, by these policies at these fractions."""

    policies: Sequence[Policy]
    fractions: Sequence[float]
    queries: int
    seed: int

    def measured(
        self, request: Request, exact: Tensor, *, first: int, past: Tensor | None = None, moving: bool = False
    ) -> Measured | None:
        """Measure a call whose exact output is known, at queries from `first` on; None where there are none.

        past: (batch, heads, m, dim), queries that were asked before the call's own, for a sketch to be made by. moving:
        the keys begin otherwise at each call (see `moves`), so that no sketch can follow them.
        """
        stretches = drawn(request.place.query_len, self.queries, self.seed, first)
        if not stretches or not request.place.key_len:
            return None
        rows = torch.tensor([row for part in stretches for row in part])
        parts: dict[str, list[Tensor]] = {}
        for part in stretches:
            before = request.query[:, :, : part.start]
            before = before if past is None else torch.cat((past, before), 2)
            own = exact[:, :, part.start : part.stop]
            for name, value in self._curves(at_rows(request, part), own, before, moving).items():
                parts.setdefault(name, []).append(value)
        deltas = torch.cat(parts.pop("deltas"), 2)
        curves = {name: torch.stack(values).mean(0) for name, values in parts.items()}
        return Measured(rows, sights(request, rows) | curves, deltas)

    def _curves(self, request: Request, exact: Tensor, past: Tensor, moving: bool) -> dict[str, Tensor]:
        """share, error, square (kv_heads, policies, fractions), full (kv_heads,) and deltas of one stretch."""
        kv_heads = request.key.shape[1]
        points: dict[str, list[Tensor]] = {name: [] for name in ("share", "error", "square", "deltas")}
        full = pairs(request) * each_key(request) / max(1, exact.shape[0] * exact.shape[2])
        for given in self.policies:
            policy = WindowSinks() if moving and isinstance(given, Focus) else given  # as `use` does it there
            sketch = sketched(request, past, policy)
            for fraction in self.fractions:
                spent, _ = kept_to(request, Budget(fraction=fraction, policy=policy), sketch)
                error = relative(spent.output, exact)
                points["share"].append(spent.bytes.mean((0, 2)).double() / full)
                points["error"].append(by_key_head(error, kv_heads))
                points["square"].append(by_key_head(error**2, kv_heads))
                points["deltas"].append(spent.output.float() - exact.float())
        size = (kv_heads, len(self.policies), len(self.fractions))
        deltas = torch.stack(points.pop("deltas"), 3)
        laid = {name: torch.stack(values, -1).view(size) for name, values in points.items()}
        return laid | {"deltas": deltas, "full": torch.full((kv_heads,), full, dtype=torch.float64)}


def moves(request: Request) -> bool:
    """Whether a window has left the first key behind: a later call sees other first keys."""
    place = request.place
    return place.query_start + place.query_len - 1 + span(request.mask)[0] > 0


def unbudgeted(request: Request) -> str | None:
    """Why a call cannot be answered on a budget, or None."""
    if request.biases:
        return "it adds biases to its scores: such calls run exact"
    if request.dropout:
        return "it drops weights at random (dropout): such calls run exact"
    return None


def drawn(length: int, count: int, seed: int, first: int) -> list[range]:
    """Stretches of queries, `count` queries in all, evenly over those from `first` on, each moved at random within its
    part."""
    count = min(count, length - first)
    if count < 1:
        return []
    stretches = -(-count // STRETCH)
    edges = [first + (length - first) * at // stretches for at in range(stretches + 1)]
    source = torch.Generator().manual_seed(seed)
    found: list[range] = []
    for low, high in pairwise(edges):
        size = min(STRETCH, count - sum(map(len, found)), high - low)
        start = low + int(torch.randint(high - low - size + 1, (1,), generator=source))
        found.append(range(start, start + size))
    return found


def sights(request: Request, queries: Tensor) -> dict[str, Tensor]:
    """Breadth, distance, lse and the shares of weight on the first and the latest keys: (heads,) means over some
    queries (int64, ascending)."""
    seen = statistics(request, Wanted(queries=queries))
    parts = {"breadth": seen.breadth, "distance": seen.distance, "lse": seen.lse}
    for name, near in (("first", Prefix(FIRST)), ("latest", Window(LATEST - 1, 0))):
        parts[name] = (_lse(request, near, queries) - seen.lse).exp()
    alive = torch.isfinite(seen.lse)  # queries that may attend to nothing, which is padding, tell nothing
    return {name: _mean(parts[name], alive) for name in SIGHTS}


def sketched(request: Request, past: Tensor, policy: Policy) -> Sketch | None:
    """The sketch that `Focus` would have at this place of a text, made by the queries that were asked before; None for
    other policies, and where there can be none."""
    if not isinstance(policy, Focus) or not past.shape[2]:
        return None
    try:
        return Sketch.of(request.key, request.value, query=past, policy=policy)
    except RegardError:  # too few keys: `spend` says so again
        return None


def relative(output: Tensor, exact: Tensor) -> Tensor:
    """(batch, heads, queries) |output - exact| / |exact|, float64; 0 where both are nothing."""
    off = (output.double() - exact.double()).norm(dim=-1)
    size = exact.double().norm(dim=-1)
    return torch.where(off == 0, 0.0, off / size)


def by_key_head(figure: Tensor, kv_heads: int) -> Tensor:
    """(batch, heads, queries) -> (kv_heads,): the mean over those that share a key head."""
    return figure.view(len(figure), kv_heads, -1).mean((0, 2))


def _lse(request: Request, near: Mask, queries: Tensor) -> Tensor:
    mask = near if request.mask is None else request.mask & near
    return statistics(replace(request, mask=mask), Wanted(queries=queries)).lse


def _mean(figure: Tensor, alive: Tensor) -> Tensor:
    kept = torch.where(alive, figure, 0.0).double()
    return kept.sum((0, 2)) / alive.sum((0, 2)).clamp_min(1)
