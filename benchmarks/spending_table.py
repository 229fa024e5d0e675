"""From errors to the table of `spending`: what is chosen on one text, what it gives on another, and the goals."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import Any, TypedDict

from benchmarks.contenders import CHOICES, PERFECT, REGARD, SETTINGS, TITLES, WIDER
from benchmarks.harness import Goal

Errors = dict[str, list[float]]  # a setting, as it is written -> its error for each key head; infinite: cannot be had


class Found(TypedDict):
    """One layer over one text; shares of the bytes are text, as JSON has them."""

    errors: dict[str, Errors]
    bytes: dict[str, dict[str, float]]  # share -> setting -> the mean share that was read


def of(name: str, settings: Iterable[str]) -> list[str]:
    """Those settings that the row `name` of the table may choose from."""
    kinds = CHOICES.get(name, (name,))
    return [setting for setting in settings if setting.partition("(")[0] in kinds]


def best(layers: Sequence[Errors], settings: Sequence[str]) -> str:
    """The one setting with the least mean error over layers and key heads."""
    return min(settings, key=lambda name: statistics.fmean(value for layer in layers for value in layer[name]))


def chosen(errors: Errors, settings: Sequence[str]) -> list[str]:
    """For each key head the setting with the least error."""
    heads = range(len(errors[settings[0]]))
    return [min(settings, key=lambda name: errors[name][head]) for head in heads]


def needed(tuned: Sequence[Found], layer: int) -> dict[str, set[str]]:
    """share -> the settings of layer number `layer` that `rows` will ask for on the text that is reported."""
    found = {}
    for share, errors in tuned[layer]["errors"].items():
        every = [each["errors"][share] for each in tuned]
        rows = [settings for name in (*SETTINGS, *CHOICES) if (settings := of(name, errors))]
        found[share] = {best(every, settings) for settings in rows}.union(*(chosen(errors, each) for each in rows))
    return found


def rows(tuned: Sequence[Found], found: Sequence[Found]) -> list[dict[str, Any]]:
    """One row for each policy and share: what was chosen for each layer on one text, and its errors on the other."""
    made = []
    for share in tuned[0]["errors"]:
        every = [layer["errors"][share] for layer in tuned]
        for name in (*SETTINGS, *CHOICES):
            settings = of(name, every[0])
            if settings:
                choices, fixed = [chosen(layer, settings) for layer in every], best(every, settings)
                row = {
                    "policy": name,
                    "title": TITLES[name],
                    "share": float(share),
                    "settings": choices,
                    "fixed": fixed,
                }
                made.append(row | _measured(share, choices, fixed, found))
    return made


def _measured(share: str, choices: list[list[str]], fixed: str, found: Sequence[Found]) -> dict[str, Any]:
    def errors(layer: Found, names: list[str]) -> float | None:
        mean = statistics.fmean(layer["errors"][share][name][head] for head, name in enumerate(names))
        return mean if math.isfinite(mean) else None  # JSON has no infinity

    pairs = list(zip(found, choices, strict=True))
    return {
        "errors": [errors(layer, names) for layer, names in pairs],
        "bytes": [statistics.fmean(layer["bytes"][share][name] for name in names) for layer, names in pairs],
        "fixed_errors": [errors(layer, [fixed] * len(names)) for layer, names in pairs],
    }


def errors_of(rows: Sequence[dict[str, Any]], name: str, share: float) -> list[float]:
    """The errors of each layer; infinite where the policy cannot be had, NaN for a row that is not there."""
    for row in rows:
        if row["policy"] == name and row["share"] == share:
            return [math.inf if error is None else error for error in row["errors"]]
    return [math.nan] * len(rows[0]["errors"])


def least(rows: Sequence[dict[str, Any]], names: Iterable[str], share: float) -> list[float]:
    """Each layer's least error among these policies."""
    each = zip(*(errors_of(rows, name, share) for name in names), strict=True)
    return [min((error for error in layer if not math.isnan(error)), default=math.nan) for layer in each]


def goals(model: str, length: int, rows: Sequence[dict[str, Any]], *, bits_share: float) -> list[Goal]:
    """What was promised, of the layer in which it is hardest to keep. bits_share: of the row of LowBits at 3 bits."""

    def times(share: float, others: list[float], row: str = REGARD) -> list[float]:
        return [mine / other for mine, other in zip(errors_of(rows, row, share), others, strict=True)]

    where = f"{model}, {length:,} tokens"
    if model.startswith("gemma"):
        perfect, bits = errors_of(rows, PERFECT[0], 0.1), errors_of(rows, "LowBits", bits_share)
        first, later = ("WindowSinks", "MinMaxBlocks", "MeanBlocks"), "256 tokens into its answer"
        named = {"SnapKV": (*first, "ObservedWindow"), f"SnapKV {later}": (*first, "ObservedEarlier")}
        against = {
            f"the best of StreamingLLM, Quest, MoBA and {told}": least(rows, among, 0.1)
            for told, among in named.items()
        }
        return [
            *(
                Goal(f"{where}, 10 %, worst layer: times {told}", _worst(times(0.1, each)), 1 / 3)
                for told, each in against.items()
            ),
            Goal(f"{where}, 10 %, worst layer: times blocks of perfect knowledge", _worst(times(0.1, perfect)), 1.0),
            Goal(f"{where}, 10 %, worst layer: times all at 3 bits", _worst(times(0.1, bits)), 1.0),
        ]
    peers = [name for name in SETTINGS if name not in (*PERFECT, "Focus")]
    found = []
    for share in (0.05, 0.1, 0.2):
        ratios = times(share, least(rows, peers, share))
        found.append(Goal(f"{where}, {share:.0%}, worst layer: times its best peer", _worst(ratios), 1.0))
        found.append(Goal(f"{where}, {share:.0%}, mean of layers: times its best peer", statistics.fmean(ratios), 0.75))
        wider = _worst(times(share, least(rows, peers, share), WIDER))
        found.append(
            Goal(f"{where}, {share:.0%}, worst layer, SnapKV among the choices: times its best peer", wider, 1.0)
        )
    return found


def _worst(ratios: list[float]) -> float:
    return math.nan if any(math.isnan(ratio) for ratio in ratios) else max(ratios)
