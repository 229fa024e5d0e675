"""`Focus` under `Budget(tolerance=...)`: each query reads until its error is known to be small enough.

Keys are drawn with known probabilities (kernels/focus_sample.py), the heaviest by the sketch for certain; from what was
read follow the output and a bound of its error (kernels/focus_bound.py). While the bound of any head that shares the
reading is above the tolerance, more keys are drawn; what was drawn stays drawn. Where that does not pay, or rounding
alone is too much, the query attends exactly.

Shapes: lanes = batch * kv_heads; rows = queries of all lanes, each on its own; `groups` query heads to a key head; n
keys in the sketch, of all. Scores are in units of log 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from regard.kernels.focus import LOG2E, SCRATCH, Prices, by_lanes, of_policy, ready, refuse_gradient, seen_by
from regard.kernels.focus_bound import estimate
from regard.kernels.focus_look import beyond, judged
from regard.kernels.focus_reach import Reach
from regard.kernels.focus_sample import Chances, numbers
from regard.kernels.sketch import Sketch
from regard.kernels.spent import Spent
from regard.spec.budget import BITS, ROUNDING, Budget
from regard.spec.policy import Focus
from regard.spec.request import Request

START = 0.05  # of the keys are read at first, at a tolerance of .1; more where less is tolerated
STEEP = 0.6  # reading x ** STEEP times as much makes the error x times smaller, about
GROWTH = (1.1, 2.5)  # what the reading grows by, at least and at most
ALL = 0.9  # of the keys: from there on all of them are read


@dataclass(frozen=True, eq=False)
class Terms:
    """What is asked of every row. target: the error that the bound must not exceed."""

    target: float
    confidence: float
    prices: Prices
    whole: float  # bytes of a key and its value, as they are
    rounding: float  # the error of an exact result

    def starts(self, seen: Tensor, least: int) -> Tensor:
        """(rows) float64: keys that are read at first."""
        wanted = START * (0.1 / self.target) ** 0.6 if self.target > 0 else 1.0
        return (seen.double() * wanted).clamp_min(2 * least).minimum(seen.double())

    def pays(self, count: Tensor, seen: Tensor, inside: Tensor) -> Tensor:
        """bool (rows): whether reading `count` keys costs less than all keys as they are."""
        price = self.prices.fixed + self.prices.key * seen.double() + self.prices.read * count
        less: Tensor = (price < seen * self.whole) & (count <= inside)
        return less & (self.target > 0)

    def bytes(self, seen: Tensor, keys: Tensor, again: Tensor, exact: int, *, rounded: bool) -> Tensor:
        """(rows): of the sketch, of the keys that were drawn, and of those of them that were read again."""
        more = (again - exact).clamp_min(0) if rounded else torch.zeros_like(again)  # `fixed` has so many
        return self.prices.fixed + self.prices.key * seen.double() + self.prices.read * keys + self.whole * more

    def grown(self, count: Tensor, error: Tensor, seen: Tensor) -> Tensor:
        """(rows): keys to read next, where `error` was found at `count`."""
        factor: Tensor = (error.double() / self.target).pow(STEEP).nan_to_num(2.0, posinf=2.0).clamp(*GROWTH)
        more = count * factor
        return torch.where(more > ALL * seen, seen.to(more), more)


def tolerated(request: Request, budget: Budget, sketch: Sketch | None = None) -> Spent:
    """Attend by `Focus` under `budget.tolerance`; see `regard.kernels.policies.spend`.

    In `Spent.error` is the bound that was reached for each query head: with probability `budget.confidence` at least
    |output - exact| / |exact| is below it. Heads that share a key head share a sample, and mostly what it misses, so
    that they share the largest of their bounds. A weight that the sketch takes for nothing and the sample misses is not
    seen by any bound: that is what the confidence is short of 1 for.

    Raises `KernelError` for what `Focus` cannot do, `SpecError` for a sketch that was made for another policy.
    """
    policy = budget.policy
    assert isinstance(policy, Focus)
    assert budget.tolerance is not None
    refuse_gradient(request)
    query, unscaled = ready(request, policy)
    if sketch is None:
        sketch = Sketch.of(request.key, request.value, query=unscaled, policy=policy)
    else:
        of_policy(sketch, policy)
        sketch.follow(request.key, request.value)
    place, value_dim = request.place, request.value.shape[3]
    whole = (query.shape[3] + value_dim) * BITS / 8
    working = torch.promote_types(request.query.dtype, torch.float32)
    floor = max(ROUNDING[request.query.dtype], ROUNDING[torch.float32])
    as_read = policy if policy.bits == 8 else replace(policy, bits=16)  # `Reach.rounds_off`
    prices = Prices.expected(as_read, query.shape[3], value_dim, place.key_len - sketch.length)
    terms = Terms(budget.tolerance - floor, budget.confidence, prices, whole, ROUNDING[request.query.dtype])
    lanes, length, groups = query.shape[:3]
    output = torch.empty(lanes, length, groups, value_dim, dtype=working, device=query.device)
    lse, error = (torch.empty(lanes, length, groups, dtype=working, device=query.device) for _ in range(2))
    read = torch.empty(lanes, length, dtype=torch.float64, device=query.device)
    for where, reach in _reaches(request, sketch, query):
        output[where], lse[where], error[where], read[where] = _within(reach, terms)
    shape = request.output_shape
    made, made_lse, made_error = (part.transpose(1, 2).reshape(*shape[:3], -1) for part in (output, lse, error))
    return Spent(
        made.to(request.query.dtype),
        made_lse[..., 0],
        read.view(place.batch, -1, length),
        place.key_len * whole,
        error=made_error[..., 0].float(),
    )


def _reaches(request: Request, sketch: Sketch, query: Tensor) -> Iterator[tuple[tuple[Tensor, Tensor], Reach]]:
    """((lane, query) of some rows, the rows) until all have come."""
    place, (lanes, length, groups, dim) = request.place, query.shape
    key, value = request.key.flatten(0, 1), request.value.flatten(0, 1)
    wide = _wide(request) if request.query.dtype == torch.float64 else query
    step = max(1, SCRATCH // (lanes * groups * place.key_len * 3))
    size = max(1, SCRATCH // (place.key_len * (dim + value.shape[2]) * 2))
    for start in range(0, length, step):
        rows = range(start, min(start + step, length))
        allowed, *_ = seen_by(request, rows)
        part = query[:, rows.start : rows.stop]
        scores, more = judged(sketch, part)[0], beyond(sketch, part)
        may = torch.ones(1, 1, place.key_len, dtype=torch.bool, device=key.device) if allowed is None else allowed
        may = may.expand(lanes, len(rows), -1)
        for first in range(0, lanes * len(rows), size):
            flat = torch.arange(first, min(first + size, lanes * len(rows)), device=key.device)
            at = flat // len(rows), flat % len(rows)
            there = at[0], at[1] + start
            dice = numbers(len(flat), sketch.length, (place.key_len, start, first), key.device)
            of = query[there], wide[there], may[at], scores[at], more[at], dice, request.sink
            yield there, Reach.of(sketch, key, value, at[0], *of)


def _wide(request: Request) -> Tensor:
    """The query (lanes, rows, groups, d), with the scale in it, in float64."""
    form = request.score.prepare(request.query.double(), request.key[:, :, :0].double())
    return by_lanes(form.query * (form.scale * LOG2E), request.groups)


def _within(reach: Reach, terms: Terms) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """output (rows, groups, e), natural lse and error (rows, groups), bytes (rows)."""
    policy, rows = reach.sketch.policy, len(reach.lane)
    output, lse = (
        reach.wide.new_zeros(*reach.wide.shape[:2], reach.value.shape[2]),
        reach.wide.new_zeros(reach.top.shape[:2]),
    )
    error, read = torch.full_like(lse, terms.rounding), torch.zeros(rows, dtype=torch.float64, device=lse.device)
    seen, inside = reach.allowed.sum(-1), reach.inside.sum(-1)
    chances = Chances.of(
        *(reach.weights, reach.inside, reach.whole, reach.doubted), max(policy.first, policy.grain), policy.latest
    )
    again = torch.zeros_like(reach.inside)
    hopeless = reach.least_error(policy.exact) > terms.target
    count = terms.starts(inside, policy.grain).masked_fill(hopeless, torch.inf)
    left = torch.arange(rows, device=lse.device)
    while len(left):
        pays = terms.pays(count[left], seen[left], inside[left])
        exact, left = left[~pays], left[pays]
        if len(exact):
            output[exact], lse[exact] = reach.rows(exact).attended()
            # a score is rounded in proportion to its size, and a weight is off by as much as its score
            error[exact] = terms.rounding + 4 * torch.finfo(lse.dtype).eps * lse[exact].nan_to_num(neginf=0).abs()
            behind = reach.allowed[exact, reach.sketch.length :].sum(-1) * (read[exact] > 0)  # were read before
            read[exact] += (seen[exact] - again[exact].sum(-1) - behind) * terms.whole
        if not len(left):
            break
        evidence, keys, best, shift = reach.rows(left).read(chances.rows(left).at(count[left]), policy.exact)
        again[left] |= best
        found = estimate(evidence, terms.confidence)
        bound = found.error.amax(1, keepdim=True)
        output[left], error[left] = found.output.to(output), bound.expand_as(found.error).to(error)
        lse[left] = (found.total.log2() + shift[..., 0]).to(lse)
        read[left] = terms.bytes(seen[left], keys, again[left].sum(-1), policy.exact, rounded=reach.rounds_off)
        hopeless = (found.rounding.amax(1) > terms.target) | (
            (bound[:, 0] > terms.target) & (count[left] >= inside[left])
        )
        grown = terms.grown(count[left], bound[:, 0], inside[left])
        count[left] = torch.where(hopeless, torch.inf, grown)
        left = left[bound[:, 0] > terms.target]
    return output, lse / LOG2E, error, read
