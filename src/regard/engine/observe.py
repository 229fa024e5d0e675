"""`observe`: what `attend` gives, and where the attention went; never query_len x key_len memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from regard.engine.attend import choose, kept_sketch
from regard.engine.observation import Observation, Wanted
from regard.kernels import exact, row_sums, second_pass, tallies
from regard.kernels.row import Row
from regard.kernels.sketch import Sketch
from regard.spec.bias import Bias
from regard.spec.budget import Budget
from regard.spec.errors import KernelError, ShapeError
from regard.spec.mask import Mask
from regard.spec.request import Request, request
from regard.spec.score import ScaledDot, Score

_SCALED_DOT = ScaledDot()


def observe(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    score: Score = _SCALED_DOT,
    mask: Mask | Tensor | None = None,
    bias: Bias | Tensor | tuple[Bias | Tensor, ...] | None = None,
    query_start: int | None = None,
    budget: Budget | None = None,
    sketch: Sketch | None = None,
    kernel: str | None = None,
    **wanted: Any,
) -> tuple[Tensor, Observation]:
    """(output, where the attention went). The output is `attend`'s on the same kernel, bit for bit.

    Arguments and shapes are those of `attend`, q, k, v with four axes; further keywords are those of `Wanted` (top,
    bins, heads, queries, keys, sample, seed). Gradients flow through the output alone: for figures that are trained
    see `regard.engine.trained`.

        >>> q, k = torch.tensor([[[[0.5]]]]), torch.tensor([[[[1.0], [1.0]]]])
        >>> out, seen = observe(q, k, torch.tensor([[[[1.0], [2.0]]]]), top=1)
        >>> seen.breadth  # both keys weigh the same
        tensor([[[2.]]])

    Under a `budget` the weights are those that it left, 1 in every row: of a key that was read its own, of one that was
    not that of what stood for it. A tolerance does not say them, nor do other policies than `Focus`.

    After the output, which leaves the lse behind, a second pass over tiles of weights, exp(score - lse), reduces each
    tile at once. Time: about the square of the length, memory: linear in it (see docs/benchmarks.md).

    Raises what `attend` and `Wanted` raise, and `KernelError` for a budget whose weights cannot be told.
    """
    given = {"score": score, "mask": mask, "bias": bias, "query_start": query_start}
    asked = request(q, k, v, **given, budget=budget, kept=kept_sketch(sketch))  # type: ignore[arg-type]
    want = Wanted(**wanted)
    want.chosen_heads(asked.place), want.chosen_queries(asked.place), want.chosen_keys(asked.place)
    chosen = choose(asked, kernel)
    open_ended = asked.budget is not None and asked.budget.tolerance is not None
    if not chosen.whole and (chosen.shown is None or open_ended):
        raise KernelError(
            f"kernel {chosen.name!r} does not say which weights {asked.budget!r} leaves: observe without budget=, or "
            "with a fraction or a number of keys, spent by Focus()"
        )
    output, lse = exact.with_lse(asked) if chosen.name == "exact" else chosen.run(asked)
    # under autocast the lse is made of rounded scores
    known = None if torch.is_autocast_enabled(asked.query.device.type) else lse
    return output, statistics(asked, want, lse=known, row=chosen)


def statistics(asked: Request, wanted: Wanted, *, lse: Tensor | None = None, row: Row | None = None) -> Observation:
    """The statistics alone, without the output. `lse` (batch, heads, query_len) saves a pass where it is known; `row`
    is the kernel whose weights are meant, where that is not one that weighs every key by its own score.

    Nothing is differentiated, nor rounded by autocast. Raises `SpecError` or `ShapeError` for heads, queries or keys
    that are not there.
    """
    with torch.no_grad(), torch.autocast(asked.query.device.type, enabled=False):
        place = asked.place
        heads, population = wanted.chosen_heads(place), wanted.chosen_queries(place)
        queries, ready = wanted.drawn(population), second_pass.made(asked)
        if lse is None:
            lse = row_sums.lse(asked, ready, queries, heads)
        lse = lse.detach().to(ready.query.dtype)
        like, sampled = ready.query, len(queries) < len(population)
        sizes = (like, place.batch, len(heads))
        entropy = tallies.Entropy(*sizes, len(queries))
        distance = tallies.Distance(*sizes, (queries + place.query_start).to(place.device))
        received = tallies.Received(*sizes, place.key_len, squares=sampled)
        top = tallies.Top(*sizes, len(queries), min(wanted.top, place.key_len)) if wanted.top else None
        flow, edges = _flow(wanted, sizes, asked, queries, population, squares=sampled)
        listed = [tally for tally in (entropy, received, distance, top, flow) if tally is not None]
        if row is not None and row.shown is not None:
            row.shown(asked, lse, listed, queries=queries, heads=heads)
        else:
            second_pass.run(asked, ready, lse, listed, queries=queries, heads=heads, keys=place.cols)
        seen = Observation(
            heads=heads,
            queries=queries,
            population=len(population),
            query_start=place.query_start,
            key_len=place.key_len,
            lse=lse[:, list(heads)][:, :, queries],
            entropy=entropy.total.clamp_(min=0.0),
            distance=distance.total,
            received=received.total,
            top_keys=None if top is None else _filled(top.keys, wanted.top, -1),
            top_weights=None if top is None else _filled(top.weights, wanted.top, 0),
            map=None if flow is None else flow.total,
            row_edges=None if edges is None else edges[0],
            col_edges=None if edges is None else edges[1],
        )
        return _estimated(seen, received, flow, population) if sampled else seen


def _filled(found: Tensor, count: int, value: int) -> Tensor:
    """(..., count): `found`, and `value` where more were asked for than there are keys."""
    return pad(found, (0, count - found.shape[-1]), value=value)


def flow(
    asked: Request,
    *,
    bins: tuple[int, int],
    heads: tuple[int, ...] | None = None,
    queries: range | None = None,
    keys: range | None = None,
    lse: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """(map, row_edges, col_edges) of a region at any zoom, at the price of that region where `lse` is known.

    map (batch, heads, rows, cols) is the exact weight that flows from each bin of `queries` to each bin of `keys`.
    """
    wanted = Wanted(bins=bins, heads=heads, queries=queries, keys=keys)
    with torch.no_grad(), torch.autocast(asked.query.device.type, enabled=False):
        place = asked.place
        chosen, rows, ready = wanted.chosen_heads(place), wanted.chosen_queries(place), second_pass.made(asked)
        if lse is None:
            lse = row_sums.lse(asked, ready, rows, chosen)
        tally, edges = _flow(wanted, (ready.query, place.batch, len(chosen)), asked, rows, rows, squares=False)
        assert tally is not None
        assert edges is not None
        span = wanted.chosen_keys(place)
        second_pass.run(asked, ready, lse.to(ready.query.dtype), [tally], queries=rows, heads=chosen, keys=span)
        return tally.total, *edges


def _flow(
    wanted: Wanted,
    sizes: tuple[Tensor, int, int],
    asked: Request,
    queries: Tensor,
    population: Tensor,
    *,
    squares: bool,
) -> tuple[tallies.Flow | None, tuple[Tensor, Tensor] | None]:
    """The tally of a map and the edges of its bins, if one is asked for."""
    if wanted.bins is None:
        return None, None
    keys = wanted.chosen_keys(asked.place)
    first, last = (int(population[0]), int(population[-1]) + 1) if len(population) else (0, 0)
    edges = (_edges(first, last, wanted.bins[0]), _edges(keys.start, keys.stop, wanted.bins[1]))
    if len(edges[0]) < 2 or len(edges[1]) < 2:
        raise ShapeError(f"bins={wanted.bins}: a map needs at least one query and one key; there are none")
    return tallies.Flow(*sizes, queries, edges, squares=squares), edges


def _edges(first: int, last: int, count: int) -> Tensor:
    """`first..last` cut into at most `count` bins, as even as whole numbers allow."""
    count = min(count, last - first)
    return first + (torch.arange(count + 1) * (last - first)) // max(1, count)


def _estimated(
    seen: Observation, received: tallies.Received, flow: tallies.Flow | None, population: Tensor
) -> Observation:
    """Sums over a sample as estimates for the population, with their standard errors (see `Observation.mean`)."""
    drawn, whole = torch.tensor(len(seen.queries)), torch.tensor(len(population))
    assert received.squares is not None
    mass, mass_error = _scaled(received.total, received.squares, drawn, whole)
    seen = replace(seen, received=mass, received_error=mass_error)
    if flow is None:
        return seen
    assert flow.squares is not None
    assert seen.row_edges is not None
    # each bin of queries is a stratum of its own, with as many drawn as fell into it
    counts = (_counts(queries, seen.row_edges)[:, None] for queries in (seen.queries, population))
    total, error = _scaled(flow.total, flow.squares, *counts)
    return replace(seen, map=total, map_error=error)


def _scaled(total: Tensor, squares: Tensor, drawn: Tensor, whole: Tensor) -> tuple[Tensor, Tensor]:
    """(estimated sum over `whole` queries, its standard error) from sums over `drawn` of them; NaN where none was."""
    mean = torch.where(whole == 0, 0.0, total / drawn)
    spread = (squares - drawn * mean**2).clamp_(min=0.0) / (drawn - 1)  # 0 / 0 = NaN for a sample of one
    error = whole * (spread * (1 - drawn / whole) / drawn).sqrt()
    return mean * whole, torch.where(drawn == whole, 0.0, error)


def _counts(queries: Tensor, edges: Tensor) -> Tensor:
    """How many queries lie in each bin."""
    bins = torch.bucketize(queries, edges, right=True) - 1
    return torch.bincount(bins[(bins >= 0) & (bins < len(edges) - 1)], minlength=len(edges) - 1)
