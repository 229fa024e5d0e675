"""Every policy and the settings it may be given: a row here is all that a policy needs to be in `spending`'s table.

No policy is favoured: a setting is chosen for each layer and key head on another text, for all of them the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks.watched import ObservedEarlier
from regard.spec.policy import (
    Focus,
    HeavyHitters,
    LargestComponents,
    LargeValues,
    LowBits,
    LowRankKeys,
    MeanBlocks,
    MinMaxBlocks,
    ObservedWindow,
    PerfectBlocks,
    PerfectKeys,
    Policy,
    RandomKeys,
    SmallKeys,
    WindowSinks,
)

Settings = Callable[[int, float], tuple[Policy, ...]]  # (size of a key, share of the bytes) -> those to choose from


def fixed(*settings: Policy) -> Settings:
    return lambda dim, fraction: settings


def _ranks(kind: Callable[[int], Policy]) -> Settings:
    """Components that take from an eighth to .6 of the budget; reading one of all keys costs 1 / (2 dim)."""
    return lambda dim, fraction: tuple(
        kind(rank) for rank in sorted({max(1, int(fraction * 2 * dim * share)) for share in (0.125, 0.3, 0.6)})
    )


def _focus(dim: int, fraction: float) -> tuple[Policy, ...]:
    """Fewer bits of a key in longer blocks where there is little to spend; of the bytes at 8,192 tokens a 25th, a 13th
    or a 9th is for keys that are read again as they are."""
    looks = ((0.0625, 256), (0.125, 128), (0.25, 128), (0.25, 32), (0.5, 64))  # bits a number, keys in a block
    exact = tuple(round(fraction * each) for each in (320, 640, 960))
    found = [
        Focus(sketch=sketch, grain=grain, bits=4, exact=each, first=first)
        for sketch, grain in looks
        for each in exact
        for first in (4, 16)
    ]
    late = (Focus(sketch=sketch, grain=128, bits=4, exact=exact[1], first=4, latest=0.5) for sketch in (0.125, 0.25))
    return (*found, *late, Focus(), Focus(latest=0.0))


REGARD = "regard"  # focus and periphery, or the plain window where that is better
PERFECT = ("PerfectBlocks", "PerfectKeys")  # bounds that no policy could be: they look at all weights for nothing

SETTINGS: Mapping[str, Settings] = {
    "WindowSinks": fixed(*(WindowSinks(first) for first in (1, 4, 16, 64))),
    "MinMaxBlocks": fixed(*(MinMaxBlocks(size) for size in (16, 32, 64))),
    "MeanBlocks": fixed(*(MeanBlocks(size) for size in (8, 16, 32, 64))),
    "HeavyHitters": fixed(*(HeavyHitters(latest) for latest in (0.25, 0.5, 0.75, 0.9))),
    "ObservedWindow": fixed(*(ObservedWindow(window, pool) for window in (8, 16, 32) for pool in (1, 7))),
    "ObservedEarlier": fixed(*(ObservedEarlier(window, pool) for window in (16, 64) for pool in (1, 7))),
    "LowRankKeys": _ranks(LowRankKeys),
    "LargestComponents": _ranks(LargestComponents),
    "LowBits": fixed(LowBits(32, 32), LowBits(32, 0), LowBits(128, 0)),
    "SmallKeys": fixed(*(SmallKeys(latest) for latest in (0.25, 0.5, 0.75, 0.9))),
    "LargeValues": fixed(*(LargeValues(latest) for latest in (0.25, 0.5, 0.75, 0.9))),
    "RandomKeys": fixed(RandomKeys()),
    "PerfectBlocks": fixed(PerfectBlocks(16)),
    "PerfectKeys": fixed(PerfectKeys()),
    "Focus": _focus,
}
WIDER = "regard, or observed"  # the same with one more to choose from
CHOICES = {  # rows that choose among the settings of several policies
    REGARD: ("Focus", "WindowSinks"),
    WIDER: ("Focus", "WindowSinks", "ObservedWindow"),
}
TITLES: Mapping[str, str] = {
    "WindowSinks": "first and latest keys (StreamingLLM)",
    "MinMaxBlocks": "blocks by their bounds (Quest)",
    "MeanBlocks": "blocks by their mean key (MoBA)",
    "HeavyHitters": "heavy hitters and latest keys (H2O)",
    "ObservedWindow": "keys that the last queries looked at (SnapKV)",
    "ObservedEarlier": "keys that the last queries looked at 256 tokens ago, and those since (SnapKV)",
    "LowRankKeys": "keys by principal directions (Loki)",
    "LargestComponents": "keys by the query's largest components, and the mean value (SparQ)",
    "LowBits": "all keys and values at fewer bits (KIVI)",
    "SmallKeys": "keys of small norm and latest keys",
    "LargeValues": "values of large norm and latest keys",
    "RandomKeys": "keys drawn at random",
    "PerfectBlocks": "blocks of 16 keys, chosen with perfect knowledge",
    "PerfectKeys": "keys, chosen with perfect knowledge",
    "Focus": "focus and periphery",
    REGARD: "**focus and periphery, or first and latest keys where those are better**",
    WIDER: "the same, or keys that the last queries looked at (SnapKV) where those are better",
}
