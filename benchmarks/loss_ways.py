"""The ways in which `loss` reads a text: every policy at each share of the bytes, with settings chosen on another text.

Settings are those that `spending` chose for each layer and key head by the output's error on another novel; where a
model or length is not in its results, the defaults here, which nothing was tried for.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.contenders import CHOICES, REGARD, SETTINGS, TITLES
from benchmarks.loss_decoding import Setting
from benchmarks.watched import ObservedEarlier
from regard.spec.policy import (
    Focus,
    HeavyHitters,
    LargestComponents,
    LowBits,
    MeanBlocks,
    MinMaxBlocks,
    ObservedWindow,
    PerfectBlocks,
    Policy,
    WindowSinks,
)

SHARES = (0.05, 0.1, 0.2)
BITS = {0.22: 3, 0.28: 4}  # share -> bits of a number, with its steps
EARLIER, BOUND = "ObservedEarlier", "PerfectBlocks"
QUESTION = "ObservedEarlier, the question"  # its votes are those of the question's queries
DEFAULTS: dict[str, Policy] = {
    REGARD: Focus(),
    "WindowSinks": WindowSinks(),
    "MinMaxBlocks": MinMaxBlocks(),
    "MeanBlocks": MeanBlocks(),
    "ObservedWindow": ObservedWindow(),
    EARLIER: ObservedEarlier(),
    "HeavyHitters": HeavyHitters(),
    "LargestComponents": LargestComponents(),
    "LowBits": LowBits(group=128, latest=0),
    BOUND: PerfectBlocks(),
}
PEERS = tuple(name for name in DEFAULTS if name not in (REGARD, BOUND))
FACT_WAYS = tuple(name for name in DEFAULTS if name != "ObservedWindow")
CHOSEN, FIXED = "chosen by spending", "default"

OWN_TITLES = {
    "ObservedWindow": "keys that the last queries looked at, asked again every 16 tokens (SnapKV)",
    EARLIER: "keys that the prompt's last queries looked at, and those since (SnapKV)",
    QUESTION: "keys that the question's queries looked at, all read (SnapKV)",
}


@dataclass(frozen=True, eq=False)
class Way:
    """name: of the row. origin: where its settings are from."""

    name: str
    share: float
    setting: Setting
    origin: str = FIXED

    @property
    def title(self) -> str:
        bits = f" ({BITS[self.share]} bits)" if self.share in BITS else ""
        return OWN_TITLES.get(self.name, TITLES.get(self.name, self.name)) + bits

    @property
    def own(self) -> bool:
        """Whether regard's own policy is in it."""
        return any(isinstance(policy, Focus) for many in self.setting.values() for policy in many)

    @property
    def shown(self) -> str:
        """Its settings, the most frequent first."""
        many = Counter(str(policy) for layer in self.setting.values() for policy in layer)
        return "; ".join(name for name, _ in many.most_common())

    def named(self, name: str) -> Way:
        return replace(self, name=name)

    @property
    def key(self) -> str:
        """What tells it apart from any other in the file of results."""
        return f"{self.name} {self.share} {sorted((path, str(many)) for path, many in self.setting.items())}"


def ways(
    paths: Sequence[str], heads: int, dim: int, found: Sequence[dict[str, Any]], *, shares: Sequence[float] = SHARES
) -> Iterator[Way]:
    """Every way. found: rows of `spending` for this model and length; none where there are none."""
    for share in (*shares, *BITS):
        for name in DEFAULTS:
            if (share in BITS and name != "LowBits") or (name == "LowBits" and share < min(0.2, *BITS)):
                continue  # fewer than 2 bits are none
            row = next((row for row in found if (row["policy"], row["share"]) == (name, share)), None)
            if row is None:
                yield Way(name, share, dict.fromkeys(paths, (_sized(name, dim, share),) * heads))
            else:
                known = settings(name, dim, share)
                unknown = {one for layer in row["settings"] for one in layer} - known.keys()
                if unknown:
                    raise SystemExit(f"spending chose {min(unknown)}, which is no choice any more: run it again")
                many = [tuple(known[one] for one in layer) for layer in row["settings"]]
                yield Way(name, share, dict(zip(paths, many, strict=True)), CHOSEN)


def settings(name: str, dim: int, share: float) -> dict[str, Policy]:
    """Those that `spending` chooses from, as it writes them."""
    kinds = CHOICES.get(name, (name,))
    return {str(policy): policy for kind in kinds for policy in SETTINGS[kind](dim, share)}


def chosen(path: Path, model: str, length: int) -> list[dict[str, Any]]:
    """The rows of `spending` for this model and length, if they are there."""
    if not path.is_file():
        return []
    rows = json.loads(path.read_text("utf-8"))["spending"]["rows"]
    return [row for row in rows if (row["model"], row["length"]) == (model, length)]


def _sized(name: str, dim: int, share: float) -> Policy:
    """The default; ranks as large as a third of the budget pays for."""
    if name == "LargestComponents":
        return LargestComponents(max(1, int(share * 2 * dim * 0.3)))
    return DEFAULTS[name]
