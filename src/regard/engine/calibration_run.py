"""Measuring every automatic kernel on every request that it can do, in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from regard.engine.calibration import Key, kind_of
from regard.engine.calibration_clock import Call, call_of, calls_for, quiet, sample
from regard.engine.calibration_file import shipped
from regard.engine.calibration_grid import Asked
from regard.engine.plan import reasons
from regard.kernels.cost import Cost
from regard.kernels.row import Row
from regard.kernels.table import SQUARE_LIMIT, TABLE
from regard.spec.request import Request

MOST_LEFT_OUT = 0.25  # of the pairs: rates fitted to short calls alone say little of long ones
LEAST_ROUNDS = 3  # of the calls that have time for so many; the longest run once, or are left out
MOST_ROUNDS = 21
_LONG = 0.05  # seconds: in a call as long, what is made once for all further calls does not count
_CPU = torch.device("cpu")

Tell = Callable[[float], None]  # told how much is done, from 0 to 1


@dataclass(frozen=True)
class Timed:
    """A kernel on a request: what it counts, and the median of the measured times."""

    key: Key
    asked: Asked
    cost: Cost
    seconds: float


@dataclass(frozen=True)
class Measured:
    """What was measured, how many pairs of kernel and request the time did not suffice for, and what would."""

    timed: list[Timed]
    left_out: int  # the pairs with the most operations
    needed: float  # seconds in which none would be left out, about

    @property
    def enough(self) -> bool:
        """Whether a fit of it may be relied on: few of the longest calls are missing."""
        return self.left_out <= MOST_LEFT_OUT * (self.left_out + len(self.timed))


@dataclass
class _Pair:
    """A kernel and a request, while they are measured."""

    row: Row
    asked: Asked
    key: Key
    cost: Cost
    first: float = 0.0  # seconds of a call before the rounds
    taken: list[float] = field(default_factory=list)


def measure(asked: Sequence[Asked], seconds: float, tell: Tell) -> Measured:
    """The median time of each automatic kernel on each request that it can do, in about so many seconds."""
    pools = _pools(asked)
    pairs = _pairs(asked, pools)
    for pair in {pair.key: pair for pair in pairs if pair.row.compiles}.values():
        _call(pair, pools)()  # what comes once is no part of a call
    start = time.perf_counter()
    with quiet(_CPU):
        tried = _tried(pairs, pools, seconds / 2, lambda done: tell(done / 2))
        needed = _needed(pairs, tried, time.perf_counter() - start)
        kept = _fitting(tried, seconds - (time.perf_counter() - start))
        for turn in range(MOST_ROUNDS):
            for pair in kept if turn % 2 == 0 else reversed(kept):
                pair.taken.append(sample(_call(pair, pools), _CPU, calls_for(pair.first)))
            spent = time.perf_counter() - start
            tell(min(1.0, max(0.5, (turn + 1) / MOST_ROUNDS, spent / seconds)))  # half of it was trying
            if turn + 1 >= LEAST_ROUNDS and spent >= seconds:
                break
    timed = [Timed(pair.key, pair.asked, pair.cost, statistics.median(pair.taken or [pair.first])) for pair in tried]
    return Measured(timed, len(pairs) - len(tried), needed)


def _pools(asked: Sequence[Asked]) -> dict[torch.dtype, Tensor]:
    """Random numbers of each dtype, enough for the largest request."""
    made = torch.Generator().manual_seed(0)
    sizes = {each.dtype: max(one.elements for one in asked if one.dtype == each.dtype) for each in asked}
    return {dtype: torch.randn(size, generator=made).to(dtype) for dtype, size in sizes.items()}


def _pairs(asked: Sequence[Asked], pools: dict[torch.dtype, Tensor]) -> list[_Pair]:
    found = []
    for each in asked:
        request = each.request(pools[each.dtype])
        for row in TABLE:
            if row.automatic and not reasons(row, request):
                cost, kind = row.cost(request), kind_of(request)
                if cost.square_bytes <= SQUARE_LIMIT and kind is not None:
                    found.append(_Pair(row, each, (row.name, *kind), cost))
    return found


def _tried(pairs: list[_Pair], pools: dict[torch.dtype, Tensor], seconds: float, tell: Tell) -> list[_Pair]:
    """Those that were tried before the time was up, the fewest operations first; `first` is what a call takes."""
    start, tried = time.perf_counter(), []
    for pair in _in_order(pairs):
        spent = time.perf_counter() - start
        if spent > seconds:
            break
        call = _call(pair, pools)
        pair.first = sample(call, _CPU)
        if pair.first < _LONG:
            pair.first = sample(call, _CPU)
        tried.append(pair)
        tell(max(spent / seconds, len(tried) / len(pairs)))
    return tried


def _in_order(pairs: list[_Pair]) -> list[_Pair]:
    return sorted(pairs, key=lambda pair: pair.cost.flops)


def _needed(pairs: list[_Pair], tried: list[_Pair], spent: float) -> float:
    """Seconds in which every pair would be tried, about: twice what was spent and what the others would take.

    Those are predicted by the calibration that ships with regard, made as much longer or shorter as this machine was
    on the pairs that were tried.
    """
    known = shipped()
    predicted = [known.seconds(pair.row, pair.cost, (pair.key[1], pair.key[2])) for pair in _in_order(pairs)]
    longer = sum(pair.first for pair in tried) / sum(predicted[: len(tried)]) if tried else 1.0
    left = [longer * each for each in predicted[len(tried) :]]
    return 2 * (spent + sum(each if each >= _LONG else 2 * each for each in left))


def _fitting(pairs: list[_Pair], seconds: float) -> list[_Pair]:
    """As many as have time for `LEAST_ROUNDS` rounds, the cheapest first, in the order given."""
    left = seconds / LEAST_ROUNDS
    kept: set[int] = set()
    for index in sorted(range(len(pairs)), key=lambda index: pairs[index].first):
        left -= pairs[index].first * calls_for(pairs[index].first)
        if left < 0 and kept:
            break
        kept.add(index)
    return [pair for index, pair in enumerate(pairs) if index in kept]


def _call(pair: _Pair, pools: dict[torch.dtype, Tensor]) -> Call:
    return call_of(pair.row, _request(pair, pools))


def _request(pair: _Pair, pools: dict[torch.dtype, Tensor]) -> Request:
    return pair.asked.request(pools[pair.asked.dtype])
