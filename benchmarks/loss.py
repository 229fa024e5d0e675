"""What a budget costs a language model: its loss on held-out Austen, and the facts that it still finds there.

    python -m benchmarks.loss [--smoke] [--model gemma3-270m] [--places 3] [--only loss] [--kvpress /path/to/python]

A model reads 8,192 tokens of Emma exactly and goes on with the true text, 16 tokens at a time, every query on its own
budget (`loss_decoding`). Told are the loss of these 512 tokens in nats a token, what the budget adds to it, and the
divergence of the next word's distribution from the exact one, sum of p log(p / q), which chance moves less. Of Gemma 3
the three layers that see the whole text are on the budget; the fifteen with a window of 512 run exact. Nothing is
chosen on the text that is reported: settings are those of `benchmarks.spending` (`loss_ways`).

Then a sentence with a number is planted in such a text, at 12 depths, four different ones at each (of the larger model
one), and asked for at the end (`loss_facts`). SnapKV has two rows there: its votes from the text's last queries, and
from the question's.

--kvpress: a Python that has kvpress, in an environment of its own (`pip install kvpress==0.5.5` brings transformers
below 5.3). Its presses read the same texts, with a cache as large as the share on average over the scored tokens, and
with that share of the prompt and all later tokens beside it.

What was measured is kept in the cache folder, and measured again only where the code it depends on has changed: an
interrupted run goes on where it stopped. `--model` runs one model; what is recorded of the others stays. Nothing is
timed. Needs `regard data get` of the models and of austen.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import record
from benchmarks.captured import LAYERS, REPORTED
from benchmarks.harness import SMOKE, Report
from benchmarks.loss_beside import beside, wanted
from benchmarks.loss_facts import DEPTHS
from benchmarks.loss_study import Kept, Study, facts, losses
from benchmarks.loss_table import fact_goals, fact_rows, loss_goals, loss_rows, press_rows
from benchmarks.loss_ways import SHARES
from regard.tasks.packages import cache_folder

LENGTH, SCORED = 8192, 512
PLACES = {"gemma3-270m": 3, "qwen2.5-coder-0.5b": 1}  # by default
FACTS_EACH = {"gemma3-270m": 4, "qwen2.5-coder-0.5b": 1}  # facts at a depth
PARTS = ("loss", "facts", "kvpress")


def options() -> argparse.ArgumentParser:
    parser = record.parser(__doc__)
    parser.add_argument("--model", choices=tuple(LAYERS), action="append", help="by default both")
    parser.add_argument("--places", type=int, help="in the text (by default 3, of the larger model 1)")
    parser.add_argument("--tokens", type=int, default=LENGTH, help="of a prompt (default %(default)s)")
    parser.add_argument("--scored", type=int, default=SCORED, help="tokens after it (default %(default)s)")
    parser.add_argument("--only", choices=PARTS, action="append", help="a part; by default all, kvpress where it is")
    parser.add_argument("--kvpress", metavar="PYTHON", help="an interpreter that has kvpress")
    parser.add_argument("--settings", type=Path, default=record.RESULTS / "spending.json", help="(%(default)s)")
    return parser


def main() -> int:
    given = options().parse_args()
    asked, folder = record.started(given)
    smoke = asked == SMOKE
    if smoke:
        given.model, given.tokens, given.scored, given.places = ["gemma3-270m"], 2048, 64, 1
    if smoke or given.places or given.only or (given.tokens, given.scored) != (LENGTH, SCORED):
        folder = record.RESULTS / "smoke"  # a part of the table is not the table
    depths, shares = ([3, 8], (0.1, 0.2)) if smoke else (list(range(DEPTHS)), SHARES)
    kept, report = Kept(cache_folder() / "captured" / "loss.jsonl"), Report("loss")
    names, path = tuple(given.model or LAYERS), folder / "loss.json"
    made: dict[str, Any] = {"loss": [], "facts": [], "kvpress": []}
    others = recorded(path, names)
    for name in names:
        study = Study.of(
            name,
            kept,
            length=given.tokens,
            scored=given.scored,
            places=given.places or PLACES[name],
            settings=given.settings,
            shares=shares,
        )
        _measure(study, given, depths, shares, report, made)
    folder.mkdir(parents=True, exist_ok=True)
    failed = record.finish(report, None, folder)
    _add(path, {"text": REPORTED, "tokens": given.tokens, "scored": given.scored, **made}, others)
    return failed


def recorded(path: Path, names: Sequence[str]) -> dict[str, Any]:
    """What an earlier run recorded of other models than these: its goals, and its rows by part."""
    found = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    rows = found.get("losses", {})
    return {
        "goals": [goal for goal in found.get("goals", ()) if goal["text"].partition(",")[0] not in names],
        **{part: [row for row in rows.get(part, ()) if row["model"] not in names] for part in PARTS},
    }


def _measure(
    study: Study, given: Any, depths: list[int], shares: tuple[float, ...], report: Report, made: dict[str, Any]
) -> None:
    parts = given.only or PARTS
    if "loss" in parts:
        losses(study)
        rows = loss_rows(study)
        made["loss"] += rows
        report.goals += loss_goals(study, rows)
    if "facts" in parts:
        facts(study, depths, FACTS_EACH[study.name])
        rows = fact_rows(study, depths, FACTS_EACH[study.name])
        made["facts"] += rows
        report.goals += fact_goals(study, rows)
    if "kvpress" in parts:
        asked = wanted(study, shares)
        if given.kvpress:
            beside(study, given.kvpress, asked)
        made["kvpress"] += press_rows(study, asked)


def _add(path: Path, made: dict[str, Any], others: dict[str, Any]) -> None:
    """The tables, beside what every benchmark leaves, and those of other models."""
    found = json.loads(path.read_text("utf-8"))
    found["goals"] += others["goals"]
    made |= {part: made[part] + others[part] for part in PARTS}
    path.write_text(json.dumps({**found, "losses": made}, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
