"""The tasks' scores beside their baselines, as markdown."""

from __future__ import annotations

from typing import Any

STANDINGS = {
    "apart": "better, intervals apart",
    "ahead": "better in every pair, intervals overlap",
    "level": "**not told apart**",
    "behind": "**worse**",
}
SHARE = 1.6  # by how much two cores are faster than one, as estimated
DOWN = "(lower is better)"


def tasks(result: dict[str, Any]) -> list[list[str]]:
    """Where the figures come from; a row a score of each command; the notes; each score's protocol."""
    rows, machine, versions = result["tasks"], result["machine"], result["versions"]
    commits = ", ".join(sorted({one for row in rows for one in row["commits"]}))
    source = (
        f"Trained up to {result['date']} on {machine['cpu']}, one thread each, beside other work: minutes are "
        f"processor time of the whole run, a figure a seed. python {versions['python']}, torch {versions['torch']}, "
        f"regard {commits}."
    )
    lines = [
        "| run | score | mean of seeds | each seed (95 % interval) | best baseline (95 % interval) | beside it | bar "
        "| minutes |",
        "|---" * 8 + "|",
    ]
    for row in rows:
        for place, score in enumerate(row["scores"]):
            command, minutes = (f"`{row['command']}`", _minutes(row)) if place == 0 else ("", "")
            down = f" {DOWN}" if score["better"] == "lower" else ""
            base = score["baseline"]
            lines.append(
                f"| {command} | {score['name']}{down} | **{figure(score['mean'])}** | {_each(score['each'])} "
                f"| {base['name']} {_spread(base['value'], base['low'], base['high'])} "
                f"| {STANDINGS[score['standing']]} | {_bars(row['bars'], score['name'])} | {minutes} |"
            )
    missing = ", ".join(f"`{one}`" for one in result["missing"])
    notes = [f"- `{row['command']}`: {row['note']}" for row in rows if row["note"]]
    protocols = [
        f"- `{row['command']}`, {score['name']}: `{score['protocol']}`" for row in rows for score in row["scores"]
    ]
    told = ["How each score came about:", "", *protocols]
    extra = [*([notes] if notes else []), *([[f"Not measured yet: {missing}."]] if missing else [])]
    return [[source], lines, *extra, told]


def takes(row: dict[str, Any]) -> str:
    """What `regard tasks` says of how long the row's command takes, of the slowest seed."""
    minutes = max(row["cpu_minutes"]) / SHARE
    whole = round(minutes)
    if minutes < 0.75:
        return "less than a minute on two cores (estimated from processor time)"
    return f"about {whole} minute{'s' if whole > 1 else ''} on two cores (estimated from processor time)"


def figure(value: float) -> str:
    """Four digits behind the point below 1, fewer above."""
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.2f}"


def _spread(value: float, low: float, high: float) -> str:
    digits = 3 if abs(value) < 10 else 1
    return f"{figure(value)} ({low:.{digits}f} to {high:.{digits}f})"


def _each(seeds: list[list[float]]) -> str:
    return "; ".join(_spread(*one) for one in seeds)


def _bars(bars: list[dict[str, Any]], score: str) -> str:
    return "; ".join(f"{one['text']}: {'met' if one['met'] else '**missed**'}" for one in bars if one["score"] == score)


def _minutes(row: dict[str, Any]) -> str:
    return ", ".join("-" if one is None else f"{one:.1f}" for one in row["cpu_minutes"])
