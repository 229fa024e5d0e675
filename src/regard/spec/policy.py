"""Policies: which part of a cache a query reads when it may not read it all.

Each is a frozen value, with its paper; what it does is in `regard.kernels.policies` (its peers) and
`regard.kernels.focus` (regard's own, `Focus`). Everything a policy reads is counted in bytes, at what it takes in a
cache of 16-bit numbers: keys and values, and also what it keeps beside them to choose by.

Queries of heads that share a key head choose together.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from regard.spec.errors import ShapeError, SpecError
from regard.spec.value import Value, described, is_number, require_floats


class Policy(Value):
    """Base of every policy."""


@dataclass(frozen=True, eq=False, repr=False)
class Focus(Policy):
    """The best keys as they are, the next best rounded, all others through a sketch: nothing is dropped
    (docs/decisions, "focus and periphery").

    sketch: bits for each dimension of a key by which all keys are judged, 4 to a direction that is looked at.
    grain: keys that share a mean key and a mean value. bits: at which the best keys and their values are read: 8 or 4,
    rounded, so that two or four times as many fit, or 16, as they are. exact: how many of those are read again as they
    are, the first keys foremost. first: keys at the start that are always read. latest: the share of the reading kept
    for the latest keys.
    """

    sketch: float = 0.5
    grain: int = 64
    bits: int = 8
    exact: int = 32
    first: int = 16
    latest: float = 0.1

    def __post_init__(self) -> None:
        if not is_number(self.sketch) or not 0 < self.sketch <= 4:
            raise SpecError(f"Focus(sketch={described(self.sketch)}): expected bits a dimension, above 0 and at most 4")
        if self.bits not in (4, 8, 16):
            raise SpecError(f"Focus(bits={described(self.bits)}): expected 4, 8 or 16")
        _count(self, "grain", self.grain, 1)
        _count(self, "exact", self.exact, 0)
        _count(self, "first", self.first, 0)
        _share(self, "latest", self.latest)


@dataclass(frozen=True, eq=False, repr=False)
class WindowSinks(Policy):
    """The first few keys and the latest ones (StreamingLLM: Xiao et al. 2023, arXiv 2309.17453). first: how many."""

    first: int = 4

    def __post_init__(self) -> None:
        _count(self, "first", self.first, 0)


@dataclass(frozen=True, eq=False, repr=False)
class MinMaxBlocks(Policy):
    """The blocks of keys with the highest possible score, by the smallest and largest number of each dimension in a
    block; and the newest and the first block (Quest: Tang et al. 2024, arXiv 2406.10774). size: keys in a block."""

    size: int = 16

    def __post_init__(self) -> None:
        _count(self, "size", self.size, 1)


@dataclass(frozen=True, eq=False, repr=False)
class MeanBlocks(Policy):
    """The blocks of keys whose mean key scores best, and the newest and the first block (MoBA: Lu et al. 2025, arXiv
    2502.13189). size: keys in a block."""

    size: int = 64

    def __post_init__(self) -> None:
        _count(self, "size", self.size, 1)


@dataclass(frozen=True, eq=False, repr=False)
class HeavyHitters(Policy):
    """The keys that earlier queries gave most weight to, and the latest (H2O: Zhang et al. 2023, arXiv 2306.14048).

    latest: the share of the budget kept for the latest keys. received: (batch, kv_heads, key_len), the mass each key
    has received from all earlier queries (`observe` gives it); None where `use` is to watch for itself.
    """

    latest: float = 0.5
    received: Tensor | None = None

    def __post_init__(self) -> None:
        _received(self, self.received)
        _share(self, "latest", self.latest)


@dataclass(frozen=True, eq=False, repr=False)
class ObservedWindow(Policy):
    """The keys that the last queries of the prompt gave most weight to, smoothed over neighbours, and those last keys
    themselves (SnapKV: Li et al. 2024, arXiv 2404.14469).

    window: how many queries. pool: keys of the running mean. received: (batch, kv_heads, key_len), the mass each key
    has from those queries; None where `use` is to watch for itself.
    """

    window: int = 32
    pool: int = 7
    received: Tensor | None = None

    def __post_init__(self) -> None:
        _received(self, self.received)
        _count(self, "window", self.window, 1)
        _count(self, "pool", self.pool, 1)


@dataclass(frozen=True, eq=False, repr=False)
class LowRankKeys(Policy):
    """The keys that score best in the `rank` first principal directions of the keys, and some of the first and the
    latest (Loki: Singhania et al. 2024, arXiv 2406.02542)."""

    rank: int = 32

    def __post_init__(self) -> None:
        _count(self, "rank", self.rank, 1)


@dataclass(frozen=True, eq=False, repr=False)
class LargestComponents(Policy):
    """The keys that score best in the `rank` largest components of the query, and some of the latest; the rest of the
    weight goes to the mean value (SparQ: Ribar et al. 2023, arXiv 2312.04985)."""

    rank: int = 32

    def __post_init__(self) -> None:
        _count(self, "rank", self.rank, 1)


@dataclass(frozen=True, eq=False, repr=False)
class LowBits(Policy):
    """Every key and value at as many bits as the budget has, but the latest, which are exact; keys are rounded channel
    by channel, values token by token, in groups (KIVI: Liu et al. 2024, arXiv 2402.02750).

    group: numbers that share a scale and an offset. latest: keys that are kept as they are.
    """

    group: int = 32
    latest: int = 32

    def __post_init__(self) -> None:
        _count(self, "group", self.group, 1)
        _count(self, "latest", self.latest, 0)


@dataclass(frozen=True, eq=False, repr=False)
class SmallKeys(Policy):
    """The keys of the smallest norm, and the latest (Devoto et al. 2024, arXiv 2406.11430). latest: their share."""

    latest: float = 0.1

    def __post_init__(self) -> None:
        _share(self, "latest", self.latest)


@dataclass(frozen=True, eq=False, repr=False)
class LargeValues(Policy):
    """The keys whose values have the largest norm, the first 20 and the latest: what value-aware pruning starts from
    (Guo et al. 2024, arXiv 2406.12335, without its attention scores). latest: the share kept for the latest keys."""

    latest: float = 0.1

    def __post_init__(self) -> None:
        _share(self, "latest", self.latest)


@dataclass(frozen=True, eq=False, repr=False)
class RandomKeys(Policy):
    """Keys drawn at random, the same for every query: the floor. seed: of the draw."""

    seed: int = 0

    def __post_init__(self) -> None:
        _count(self, "seed", self.seed, 0)


@dataclass(frozen=True, eq=False, repr=False)
class PerfectBlocks(Policy):
    """The blocks that truly hold most weight, chosen at no cost: a bound for droppers of blocks, not for use."""

    size: int = 16

    def __post_init__(self) -> None:
        _count(self, "size", self.size, 1)


@dataclass(frozen=True, eq=False, repr=False)
class PerfectKeys(Policy):
    """The keys that truly hold most weight, chosen at no cost: a bound for droppers of keys, not for use."""


def _count(policy: Policy, field: str, given: object, least: int) -> None:
    if not isinstance(given, int) or isinstance(given, bool) or given < least:
        name = type(policy).__name__
        raise SpecError(f"{name}({field}={described(given)}): expected a whole number, at least {least}")


def _received(policy: Policy, given: Tensor | None) -> None:
    if given is None:
        return
    name = type(policy).__name__
    require_floats(name, "received", given)
    if given.dim() != 3:
        raise ShapeError(f"{name}(received={described(given)}): expected 3 axes, (batch, kv_heads, key_len)")


def _share(policy: Policy, field: str, given: object) -> None:
    if not is_number(given) or not 0 <= given <= 1:
        raise SpecError(f"{type(policy).__name__}({field}={described(given)}): expected a share, from 0 to 1")
