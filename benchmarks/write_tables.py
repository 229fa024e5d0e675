"""Write the figures of benchmarks/results/*.json into pages of docs, between markers.

    python benchmarks/write_tables.py           # write
    python benchmarks/write_tables.py --check   # write nothing; exit 1 when the page and the JSON differ

A table stands between `<!-- figures: NAME -->` and `<!-- end of figures: NAME -->`. Needs nothing but Python.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # it is run as a file, and needs nothing installed

from benchmarks.evidence_tables import agreement, faithfulness, planted
from benchmarks.serving_table import serving
from benchmarks.spend_tables import allocation, eviction, losses, pruning, spending
from benchmarks.studio_tables import rollout, studio
from benchmarks.task_tables import tasks

SPENT = (spending, losses, allocation, eviction, pruning)
LOOKED = {"studio": studio, "rollout": rollout}
EXPLAINED = {"planted": (planted,), "subjects": (faithfulness, agreement)}  # by what the JSON has
ROOT = Path(__file__).resolve().parents[1]
PAGE, RESULTS = ROOT / "docs" / "benchmarks.md", ROOT / "benchmarks" / "results"
TRAINING = ROOT / "docs" / "results.md"
EXPLAINING = ROOT / "docs" / "explain.md"
SERVING = ROOT / "docs" / "export.md"
STUDIO = ROOT / "docs" / "studio.md"
MARKED = re.compile(r"<!-- figures: ([\w-]+) -->\n(.*?)<!-- end of figures: \1 -->", re.DOTALL)
NOTHING = "\nNot measured yet.\n\n"
HEAD = 2  # lines above a table's rows


def filled(page: str, results: dict[str, dict[str, Any]]) -> str:
    """`page` with the tables of `results` between its markers. Raises `ValueError` for a result without a place."""
    homeless = results.keys() - {found[1] for found in MARKED.finditer(page)}
    if homeless:
        name = min(homeless)
        raise ValueError(f"{name}.json has no place: add <!-- figures: {name} --> and <!-- end of figures: {name} -->")

    def table(found: re.Match[str]) -> str:
        name = found[1]
        text = rendered(results[name]) if name in results else NOTHING
        return f"<!-- figures: {name} -->\n{text}<!-- end of figures: {name} -->"

    return MARKED.sub(table, page)


def rendered(result: dict[str, Any]) -> str:
    """One result as markdown: where it comes from, goals, times, memory."""
    if "tasks" in result:
        return "\n" + "\n\n".join("\n".join(rows) for rows in tasks(result)) + "\n\n"
    for part, tables in EXPLAINED.items():
        if part in result:
            made = [rows for each in tables for rows in each(result)]
            goals = [_goals(result)] if result["goals"] else []
            source = _source({name: value for name, value in result.items() if name != "rounds"})
            return "\n" + "\n\n".join([source, *("\n".join(rows) for rows in goals + made)]) + "\n\n"
    if "serving" in result:
        source = _source({name: value for name, value in result.items() if name != "rounds"})
        made = [[source], _goals(result), *serving(result)]
        return "\n" + "\n\n".join("\n".join(rows) for rows in made) + "\n\n"
    for part, told in LOOKED.items():
        if part in result:
            source = _source({name: value for name, value in result.items() if name != "rounds"})
            made = [[source], *([_goals(result)] if result["goals"] else []), *told(result)]
            return "\n" + "\n\n".join("\n".join(rows) for rows in made) + "\n\n"
    if "training" in result:
        return "\n" + _source(result) + "\n\n" + "\n".join(_training(result)) + "\n\n"
    parts = [_source(result)]
    for title, rows in (("goals", _goals(result)), ("cases", _times(result)), ("memory", _memory(result))):
        if result[title] and len(rows) > HEAD:
            parts.append("\n".join(rows))
    for title, extra in (("apart", _apart), ("pages", _pages), ("grid", _grid)):
        if title in result:
            parts.append("\n".join(extra(result)))
    for tables in SPENT:
        parts += ["\n".join(rows) for rows in tables(result)]
    return "\n" + "\n\n".join(parts) + "\n\n"


def _source(result: dict[str, Any]) -> str:
    machine, versions = result["machine"], result["versions"]
    names = ", ".join(f"{name} {version}" for name, version in versions.items())
    rounds = f"; {result['rounds']} rounds after {result['warmup']} of warm-up" if "rounds" in result else ""
    return (
        f"Measured {result['date']} on {machine['cpu']} ({machine['cores']} cores, {machine['threads']} threads, load "
        f"{machine['load_before']:.1f} before the run); {names}{rounds}."
    )


def _training(result: dict[str, Any]) -> list[str]:
    rows = ["| run | each seed (95 % interval) | mean | best baseline | minutes | goal |", "|---|---|---|---|---|---|"]
    for row in result["training"]:
        pairs = zip(row["seeds"], row["intervals"], strict=True)
        seeds = "; ".join(f"{value:.4f} ({low:.3f} to {high:.3f})" for value, (low, high) in pairs)
        base = row["baseline"]
        minutes = ", ".join(f"{m:.1f}" for m in row["minutes"])
        met = "met" if row["mean"] >= row["goal"] else "**missed**"
        rows.append(
            f"| `{row['command']}` | {seeds} | **{row['mean']:.4f}** | {base['name']} {base['value']:.4f} "
            f"({base['low']:.3f} to {base['high']:.3f}) | {minutes} | {row['goal']} {met} |"
        )
    return rows


def _goals(result: dict[str, Any]) -> list[str]:
    rows = ["| goal | at most | measured | |", "|---|---|---|---|"]
    for goal in result["goals"]:
        unit = f" {goal['unit']}" if goal["unit"] else ""
        measured = "-" if goal["measured"] is None else f"{goal['measured']:.3g}{unit}"
        met = "met" if goal["met"] else "**missed**"
        rows.append(f"| {goal['text']} | {goal['limit']:g}{unit} | {measured} | {met} |")
    return rows


def _times(result: dict[str, Any]) -> list[str]:
    rows = ["| case | peer | median | middle half | ratio | largest error |", "|---|---|---|---|---|---|"]
    for case in result["cases"]:
        if "failed" in case:
            rows.append(f"| {case['name']} | | not timed: {case['failed']} | | | |")
        for peer, row in case.get("peers", {}).items():
            ratio = "1 (the measure)" if peer == case["against"] else f"{row['ratio']:.3g}"
            middle = f"{_seconds(row['low_s'])} to {_seconds(row['high_s'])}"
            rows.append(
                f"| {case['name']} | {peer} | {_seconds(row['median_s'])} | {middle} | {ratio} | {row['error']:.0e} |"
            )
    return rows


def _memory(result: dict[str, Any]) -> list[str]:
    rows = ["| peak memory beyond inputs and results | peer | |", "|---|---|---|"]
    for row in result["memory"]:
        shown = f"{row['extra_bytes'] / 1e6:,.1f} MB" if "extra_bytes" in row else f"failed: {row['failed']}"
        rows.append(f"| {row['name']} | {row['peer']} | {shown} |")
    return rows


def _pages(result: dict[str, Any]) -> list[str]:
    rows = ["| page | peer | file | picture there after | |", "|---|---|---|---|---|"]
    for row in result["pages"]:
        shown = "no picture" if row["median_s"] is None else _seconds(row["median_s"])
        size, why = f"{row['bytes'] / 1e6:,.1f} MB", row.get("why") or ""
        rows.append(f"| {row['case']} | {row['peer']} | {size} | {shown} | {why} |")
    return rows


def _apart(result: dict[str, Any]) -> list[str]:
    rows = ["| beside the calls, once | | |", "|---|---|---|"]
    return rows + [f"| {row['name']} | {row['what']} | {_seconds(row['seconds'])} |" for row in result["apart"]]


def _grid(result: dict[str, Any]) -> list[str]:
    """A row a cell, the worst first, the short ones last."""
    rows = [
        "| cell | class | kernel chosen | median | best peer | ratio | best kernel | ratio |",
        "|---|---|---|---|---|---|---|---|",
    ]
    rows += [f"| {row['cell']} | | not timed: {row['failed']} | | | | | |" for row in result["grid"] if "failed" in row]
    timed = [row for row in result["grid"] if "failed" not in row]
    for row in sorted(timed, key=lambda row: (row["class"], -row["of_best_peer"])):
        times, peer, kernel = row["median_s"], row["best_peer"], row["best_kernel"]
        rows.append(
            f"| {row['cell']} | {row['class']} | {row['chosen']} | {_seconds(times['regard.attend'])} "
            f"| {peer}, {_seconds(times[peer])} | {row['of_best_peer']:.3g} "
            f"| {kernel}, {_seconds(times[kernel])} | {row['of_best_kernel']:.3g} |"
        )
    return rows


def _seconds(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the page and the JSON differ")
    check = parser.parse_args().check
    results = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(RESULTS.glob("*.json"))}
    trained = [name for name, result in results.items() if "training" in result or "tasks" in result]
    training = {name: results.pop(name) for name in trained}
    explained = {name: results.pop(name) for name in list(results) if EXPLAINED.keys() & results[name].keys()}
    served = {name: results.pop(name) for name in list(results) if "serving" in results[name]}
    looked = {name: results.pop(name) for name in list(results) if LOOKED.keys() & results[name].keys()}
    pages = [(PAGE, results), (TRAINING, training), (EXPLAINING, explained)]
    pages += [(page, found) for page, found in ((SERVING, served), (STUDIO, looked)) if found]
    return max(settled(page, found, check=check) for page, found in pages)


def settled(path: Path, results: dict[str, dict[str, Any]], *, check: bool) -> int:
    """Write a page's tables, or with `check` only see whether they are as they should be: 0, or 1 if they are not."""
    page = path.read_text("utf-8")
    wanted = filled(page, results)
    if check and wanted != page:
        print(f"{path.relative_to(ROOT)} is not what benchmarks/results says: run python benchmarks/write_tables.py")
        return 1
    if not check:
        path.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
