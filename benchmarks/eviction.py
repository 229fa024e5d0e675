"""What it costs a language model to let go of most of its cache: loss on held-out text, beside the memory that is left.

    python -m benchmarks.eviction [--smoke] [--tokens 8192] [--places 4] [--text emma] [--shares 0.5 0.25 0.1]
                                  [--model DIR]

At several places of a novel the model reads a prompt in chunks, its cache being cut back as it grows, and then goes on
with the true text, whose loss is measured in nats a token: with everything kept, and for each share of the keys with
mass received (even sizes, and sizes shared out over heads and layers), with the first and the latest keys alone, and
with keys at random; and with a sketch of all others beside fewer keys as they are, in the same memory. Nothing is tuned
on the text that is reported. Bytes are those of every tensor that the cache holds, as allocated, at their largest.
What was read is kept in the cache folder, and read again only where the code of evictions has changed: a stopped run
goes on where it stopped.
`--smoke` reads one short prompt. Needs `regard data get gemma3-270m` and `regard data get austen`.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import statistics
import sys
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

import regard
from benchmarks import record
from benchmarks.harness import SMOKE, Goal, Report
from benchmarks.loss_study import Kept
from regard.allocate import Eviction, Periphery
from regard.bridges.transformers_folder import ModelFolder
from regard.tasks.packages import cache_folder
from regard.tasks.sources import cached, command, source

CHUNK, PIECE = 256, 32  # tokens read at a time: of the prompt, and of what follows it
AFTER = 512  # tokens whose loss is measured, at each place
FRACTIONS = (0.5, 0.25, 0.1)
PEAK = 0.30  # goal: of the full cache, at a quarter of the keys
KINDS: dict[str, dict[str, Any]] = {
    "mass received, even sizes": {},
    "mass received, sizes over heads": {"sizes": "heads"},
    "mass received, sizes over layers": {"sizes": "layers"},
    "mass received in total, even sizes": {"by": "total"},
    "the first 4 and the latest": {"latest": 1.0},
    "at random, a quarter the latest": {"by": "random"},
    "mass received, even sizes, a sketch of the rest": {"periphery": Periphery()},
    "the first 4 and the latest, a sketch of the rest": {"latest": 1.0, "periphery": Periphery()},
}
GOALS = {  # of which rows, at a quarter of the memory, the peak has a goal
    "mass received, even sizes": "25 % of the keys, even sizes: peak of the full cache",
    "mass received, even sizes, a sketch of the rest": "25 % with a sketch of the rest: peak of the full cache",
}


@dataclass(frozen=True)
class Reading:
    """Of one place. loss: nats a token. peak, full: bytes of the layers that are cut back, at most, and of all their
    keys and values; others: of the layers with a window."""

    loss: float
    peak: int = 0
    full: int = 0
    others: int = 0


def read(model: Any, tokens: Tensor, eviction: Eviction | None) -> Reading:
    """The prompt, then `AFTER` tokens whose loss is taken, the first of them told by the prompt's last."""
    from transformers import DynamicCache

    cache, head = DynamicCache(config=model.config), model.get_input_embeddings().weight  # tied
    prompt = tokens.shape[1] - AFTER
    losses = []
    with torch.inference_mode(), regard.use(model, eviction=eviction) as used:
        for start in range(0, prompt, CHUNK):
            part = tokens[:, start : min(start + CHUNK, prompt)]
            state = model(input_ids=part, past_key_values=cache).last_hidden_state[:, -1:]
        for start in range(prompt, tokens.shape[1], PIECE):
            part = tokens[:, start : start + PIECE]
            found = model(input_ids=part, past_key_values=cache).last_hidden_state
            logits = torch.cat((state, found[:, :-1]), 1) @ head.T
            losses.append(cross_entropy(logits[0].float(), part[0], reduction="none"))
            state = found[:, -1:]
    loss = float(torch.cat(losses).mean())
    kept = used.eviction
    return Reading(loss) if kept is None else Reading(loss, kept.peak, kept.full, kept.others)


@dataclass(frozen=True, eq=False)
class Study:
    """One model on some places of a text, each of tokens (1, n); about: what tells it from others. What was read stands
    in `kept`."""

    model: Any
    parts: list[Tensor]
    about: str
    kept: Kept

    def readings(self, eviction: Eviction | None) -> list[Reading]:
        """Of every place."""
        return [self._reading(number, part, eviction) for number, part in enumerate(self.parts)]

    def _reading(self, number: int, part: Tensor, eviction: Eviction | None) -> Reading:
        key = f"{self.about}, place {number} of {len(self.parts)}, {eviction!r}, {mark()}"
        if key not in self.kept.rows:
            self.kept.add(key, asdict(read(self.model, part, eviction)))
            print(f"    place {number + 1} of {len(self.parts)}", flush=True)
        return Reading(**self.kept.rows[key])


@lru_cache(maxsize=1)
def mark() -> str:
    """Of the code that the figures depend on."""
    files = [*(record.HERE.parent / "src" / "regard" / "allocate").glob("*.py"), Path(__file__)]
    return hashlib.sha256(b"".join(file.read_bytes() for file in sorted(files))).hexdigest()[:12]


def case(name: str, readings: list[Reading], exact: list[Reading]) -> dict[str, Any]:
    """A row of the report: the mean over the places, with the standard error of what was lost."""
    more = [mine.loss - theirs.loss for mine, theirs in zip(readings, exact, strict=True)]
    error = statistics.stdev(more) / math.sqrt(len(more)) if len(more) > 1 else math.nan
    peak, full, others = (max(getattr(one, part) for one in readings) for part in ("peak", "full", "others"))
    row = {
        "name": name,
        "loss": statistics.mean(one.loss for one in readings),
        "more": statistics.mean(more),
        "error": None if math.isnan(error) else error,
        "peak_bytes": peak,
        "of_full": peak / full if full else None,
        "of_whole_cache": (peak + others) / (full + others) if full else None,
    }
    shown = (
        ""
        if not full
        else f"  peak {peak / 1e6:6.1f} MB, {peak / full:.3f} of full, {row['of_whole_cache']:.3f} of the whole"
    )
    print(f"  {name:54} {row['loss']:.4f} nats  {row['more']:+.4f}{shown}", flush=True)
    return row


def subject(given: argparse.Namespace) -> tuple[Any, Tensor]:
    """The model without its head, and the tokens of the text."""
    folder = Path(given.model) if given.model else _cached("gemma3-270m")
    place = ModelFolder.of(folder)
    text = (_cached("austen") / f"{given.text}.txt").read_text(encoding="utf-8")
    return place.model(), place.tokenizer()(text, return_tensors="pt", verbose=False)["input_ids"]


def _cached(name: str) -> Path:
    found = cached(source(name))
    if found is None:
        raise SystemExit(f"{name} is not in the cache; type: regard data get {name}, or {command(source(name))}")
    return found


def main() -> int:
    options = record.parser(__doc__)
    options.add_argument("--tokens", type=int, default=8192, help="of each prompt (default %(default)s)")
    options.add_argument("--places", type=int, default=4, help="in the text (default %(default)s)")
    options.add_argument("--text", default="emma", help="one of the six novels (default %(default)s)")
    options.add_argument("--shares", type=float, nargs="+", default=FRACTIONS, help="of the keys (default %(default)s)")
    options.add_argument("--model", help="a folder of another model, whose head is its embedding")
    given = options.parse_args()
    rounds, folder = record.started(given)
    if rounds == SMOKE:
        given.tokens, given.places = 1024, 1
    model, whole = subject(given)
    length = given.tokens + AFTER
    step = (whole.shape[1] - length) // max(1, given.places)
    parts = [torch.cat((whole[:, :1], whole[:, at * step + 1 :][:, : length - 1]), 1) for at in range(given.places)]
    about = f"{given.model or 'gemma3-270m'}, {given.text}, {given.tokens}"
    study = Study(model, parts, about, Kept(cache_folder() / "captured" / "eviction.jsonl"))
    report, exact = Report("eviction"), study.readings(None)
    report.cases.append(case("everything kept", exact, exact))
    for fraction in given.shares:
        for name, chosen in KINDS.items():
            if chosen.get("sizes") == "heads" and model.config.num_key_value_heads == 1:
                continue  # nothing to share
            readings = study.readings(Eviction(fraction=fraction, **chosen))
            report.cases.append(case(f"{fraction:.0%}, {name}", readings, exact))
    for row in report.cases:
        share, _, kind = row["name"].partition(", ")
        if share == "25%" and kind in GOALS:
            report.goals.append(Goal(GOALS[kind], row["of_full"], PEAK))
    return record.finish(report, None, folder)


if __name__ == "__main__":
    sys.exit(main())
