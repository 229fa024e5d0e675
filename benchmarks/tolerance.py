"""What a tolerance takes, and whether it is kept: `Budget(tolerance=.10)` and `.03` on what real decoders attend to.

    python -m benchmarks.tolerance [--smoke] [--model gemma3-270m]

On queries, keys and values that decoders made of a novel (`benchmarks.captured`, which runs first where they are not
there). Every query is decoded alone, over the keys up to its own; its true error, |output - exact| / |exact|, is taken
against exact attention in float64. A row is a query and a head; at least 1,000 of each model. Told are the rows
beyond the tolerance, those beyond the bound that came with the output, and the share of the bytes of a 16-bit cache
that was read (sketch, samples and all).

How fine a sketch each model takes is chosen on another novel, by the bytes read there. The first half of the text is
the prompt from which the sketch is made; later tokens are added to it as they come.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmarks import record
from benchmarks.captured import CHOSEN_ON, LAYERS, LONGEST, REPORTED, Captured, capture, load
from benchmarks.harness import SMOKE, Goal, Report
from benchmarks.spending_job import exact, places
from regard.kernels.policies import spend
from regard.kernels.sketch import Sketch
from regard.spec.budget import Budget
from regard.spec.policy import Focus

TOLERANCES, CONFIDENCE = (0.10, 0.03), 0.95
LENGTH = 8192
QUERIES = {"gemma3-270m": 84, "qwen2.5-coder-0.5b": 12}  # of every layer: 1,008 and 4,032 rows
CHOOSING = {"gemma3-270m": 6, "qwen2.5-coder-0.5b": 1}
SKETCHES = (0.5, 1.0, 1.5)  # bits a dimension
SHORT = 1024  # tokens of a smoke run
WHOLE = 0.98  # from this share of the bytes on, a query has attended exactly


@dataclass
class Found:
    """Of some queries: each row's error and bound, and each reading's share of the bytes."""

    errors: list[float] = field(default_factory=list)
    bounds: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)

    def add(self, other: Found) -> None:
        self.errors += other.errors
        self.bounds += other.bounds
        self.shares += other.shares

    def told(self, tolerance: float) -> dict[str, Any]:
        """As it is written down. bytes: mean and quartiles."""
        return {
            "rows": len(self.errors),
            "beyond": _share(error > tolerance for error in self.errors),
            "beyond_bound": _share(error > bound for error, bound in zip(self.errors, self.bounds, strict=True)),
            "median_error": statistics.median(self.errors),
            "largest_error": max(self.errors),
            "median_bound": statistics.median(self.bounds),
            "bytes": statistics.fmean(self.shares),
            "bytes_quartiles": statistics.quantiles(self.shares, n=4),
            "exact": _share(share > WHOLE for share in self.shares),
        }


def _share(found: Any) -> float:
    return statistics.fmean(float(each) for each in found)


def measured(layer: Captured, policy: Focus, tolerance: float, queries: int) -> Found:
    found, half = Found(), layer.length // 2
    parts = (part[None, :, :half] for part in (layer.key, layer.value, layer.query))
    key, value, query = parts
    sketch = Sketch.of(key, value, query=query, policy=policy)
    budget = Budget(tolerance=tolerance, confidence=CONFIDENCE, policy=policy)
    for position in places(layer.length, queries):
        asked = layer.at(position)
        truth, spent = exact(asked), spend(asked, budget, sketch)
        assert spent.error is not None
        off = (spent.output[0, :, 0].double() - truth).norm(dim=-1) / truth.norm(dim=-1)
        found.errors += off.tolist()
        found.bounds += spent.error[0, :, 0].tolist()
        found.shares += (spent.bytes[0, :, 0] / spent.full).tolist()
    return found


def chosen(model: str, tolerance: float, layers: Sequence[int], queries: int, length: int) -> Focus:
    """The sketch that takes fewest bytes on the other novel."""
    bytes_read = dict.fromkeys(SKETCHES, 0.0)
    for number in layers:
        layer = load(model, CHOSEN_ON, number, length=length)
        for bits in SKETCHES:
            bytes_read[bits] += statistics.fmean(measured(layer, Focus(sketch=bits), tolerance, queries).shares)
    best = min(bytes_read, key=lambda bits: bytes_read[bits])
    told = ", ".join(f"{bits}: {total / len(layers):.3f}" for bits, total in bytes_read.items())
    print(f"  {model}, tolerance {tolerance}: bytes by bits of the sketch on {CHOSEN_ON}: {told}", flush=True)
    return Focus(sketch=best)


def table(model: str, tolerance: float, *, smoke: bool) -> list[dict[str, Any]]:
    """A row for each layer, and one for all."""
    layers, length = LAYERS[model][: 1 if smoke else None], SHORT if smoke else LENGTH
    for text in (CHOSEN_ON, REPORTED):
        capture(model, text, length=length if smoke else LONGEST, layers=tuple(layers))
    policy = chosen(model, tolerance, layers, 1 if smoke else CHOOSING[model], length)
    whole, rows = Found(), []
    about = {"model": model, "tolerance": tolerance, "policy": str(policy)}
    for number in layers:
        layer = load(model, REPORTED, number, length=length)
        found = measured(layer, policy, tolerance, 4 if smoke else QUERIES[model])
        whole.add(found)
        rows.append({**about, "layer": number, **found.told(tolerance)})
        _print(rows[-1])
    return [*rows, {**about, "layer": None, **whole.told(tolerance)}]


def _print(row: dict[str, Any]) -> None:
    where = "all layers" if row["layer"] is None else f"layer {row['layer']}"
    low, middle, high = row["bytes_quartiles"]
    print(
        f"  {row['model']} {row['tolerance']} {where}: {row['rows']} rows, {row['beyond']:.2%} beyond, "
        f"{row['beyond_bound']:.2%} beyond their bound; bytes {row['bytes']:.3f} ({low:.3f} / {middle:.3f} / "
        f"{high:.3f}), exact {row['exact']:.2%}",
        flush=True,
    )


def goals(row: dict[str, Any]) -> list[Goal]:
    where, most = f"{row['model']}, tolerance {row['tolerance']:.2f}", 1 - CONFIDENCE
    return [
        Goal(f"{where}: rows beyond the tolerance", row["beyond"], most, "of them"),
        Goal(f"{where}: rows beyond the bound that came with them", row["beyond_bound"], most, "of them"),
        Goal(f"{where}: bytes read", row["bytes"], 1.0, "of a 16-bit cache"),
    ]


def main() -> int:
    parser = record.parser(__doc__)
    parser.add_argument("--model", choices=tuple(LAYERS), action="append", help="by default both")
    given = parser.parse_args()
    asked, folder = record.started(given)
    smoke = asked == SMOKE
    if given.model and not smoke:
        folder = record.RESULTS / "smoke"  # a part of the table is not the table
    torch.set_num_threads(1)
    report, made = Report("tolerance"), []
    with torch.inference_mode():
        for model in ("gemma3-270m",) if smoke else given.model or LAYERS:
            for tolerance in TOLERANCES:
                rows = table(model, tolerance, smoke=smoke)
                _print(rows[-1])
                report.goals += goals(rows[-1])
                made += rows
    code = record.finish(report, None, folder)
    _add(folder / "tolerance.json", made)
    return code


def _add(path: Path, made: list[dict[str, Any]]) -> None:
    """The table, beside what every benchmark leaves."""
    found = json.loads(path.read_text("utf-8"))
    about = {"reported": REPORTED, "chosen_on": CHOSEN_ON, "length": LENGTH, "confidence": CONFIDENCE}
    path.write_text(
        json.dumps({**found, "tolerance": {**about, "rows": made}}, indent=1, ensure_ascii=False) + "\n", "utf-8"
    )


if __name__ == "__main__":
    sys.exit(main())
