"""How faithful explanations are, as markdown: planted truths, faithfulness of each method, agreement with others."""

from __future__ import annotations

from typing import Any

METRICS = ("comprehensiveness", "sufficiency", "deletion", "insertion", "left out")
SHORT = 2  # metrics that are told of the further ways


def planted(result: dict[str, Any]) -> list[list[str]]:
    """For each task and model the share of the truths that each method finds, and that of the chosen one."""
    rows = result.get("planted", [])
    if not rows:
        return []
    methods = list(dict.fromkeys(name for row in rows for name in row["found"]))
    lines = [
        f"| task | model | cases | {' | '.join(methods)} | the chosen one | by chance |",
        "|---" * (len(methods) + 5) + "|",
    ]
    for row in rows:
        shares = {name: found / row["cases"] for name, found in row["found"].items()}
        cells = " | ".join(_share(shares[name]) if name in shares else "-" for name in methods)
        lines.append(
            f"| {row['task']} | {row['model']} | {row['cases']} | {cells} | {row['best']}: "
            f"**{shares[row['best']]:.1%}** | {row['chance']:.1%} |"
        )
    cases = sum(row["cases"] for row in rows)
    cells = " | ".join(
        _share(
            sum(row["found"].get(name, 0) for row in rows) / sum(row["cases"] for row in rows if name in row["found"])
        )
        for name in methods
    )
    chosen = sum(row["found"][row["best"]] for row in rows) / cases
    chance = sum(row["chance"] * row["cases"] for row in rows) / cases
    return [[*lines, f"| all | | {cases:,} | {cells} | **{chosen:.1%}** | {chance:.1%} |"]]


def faithfulness(result: dict[str, Any]) -> list[list[str]]:
    """For each model a table a way: methods and baselines by metric, and a table of what is left when it forgets."""
    tables = []
    for subject in result.get("subjects", []):
        rows = subject["rows"]
        ways = list(dict.fromkeys(row["way"] for row in rows))
        first = [row for row in rows if row["way"] == ways[0]]
        said = f"**{subject['subject']}** ({subject['what']}; what is taken away is {_escaped(first[0]['words'])}):"
        tables += [[said], _table(first, METRICS)]
        for way in ways[1:]:
            these = [row for row in rows if row["way"] == way]
            tables += [[f"The same, {_escaped(these[0]['words'])}:"], _table(these, METRICS[:SHORT])]
        if subject["forgets"]:
            tables.append(_forgetting(subject["forgets"]))
    return tables


def _table(rows: list[dict[str, Any]], metrics: tuple[str, ...]) -> list[str]:
    better = {row["metric"]: "↑" if row["better"] == "higher" else "↓" for row in rows}
    lines = [f"| | {' | '.join(f'{name} {better[name]}' for name in metrics)} |", "|---" * (len(metrics) + 1) + "|"]
    for method in dict.fromkeys(row["method"] for row in rows):
        these = {row["metric"]: row for row in rows if row["method"] == method}
        shown = f"*{method}*" if these[metrics[0]]["baseline"] else method
        name = f"**{shown}** (chosen)" if these[metrics[0]]["best"] else shown
        lines.append(f"| {name} | {' | '.join(_cell(these[metric]) for metric in metrics)} |")
    return lines


def _cell(row: dict[str, Any]) -> str:
    """The value with its interval, bold where it is ahead of random order by more than chance."""
    value = f"{row['value']:.3f}"
    if not row["baseline"] and row["ahead_low"] > 0:
        value = f"**{value}**"
    return f"{value} ({row['low']:.3f} to {row['high']:.3f})"


def _forgetting(rows: list[dict[str, Any]]) -> list[str]:
    layers = list(dict.fromkeys(row["layer"] for row in rows))
    inputs = "1 input" if rows[0]["inputs"] == 1 else f"{rows[0]['inputs']} inputs"
    head = f"| rank correlation with the trained model's, {inputs}; layers forgotten from the top to "
    lines = [f"{head}| {' | '.join(f'`{layer}`' for layer in layers)} |", "|---" * (len(layers) + 1) + "|"]
    for method in dict.fromkeys(row["method"] for row in rows):
        these = {row["layer"]: row["similar"] for row in rows if row["method"] == method}
        lines.append(f"| {method} | {' | '.join(f'{these[layer]:+.2f}' for layer in layers)} |")
    return lines


def agreement(result: dict[str, Any]) -> list[list[str]]:
    """The largest difference from each other package, on the same inputs."""
    rows = result.get("agreement", [])
    if not rows:
        return []
    lines = ["| package | what | on a scale of | texts | largest difference |", "|---|---|---|---|---|"]
    for row in rows:
        if "failed" in row:
            lines.append(f"| {row['package']} | not to be had: {row['failed']} | | | |")
        else:
            lines.append(f"| {row['package']} | {row['what']} | {row['scale']} | {row['texts']} | {row['apart']:.1e} |")
    return [lines]


def _escaped(words: str) -> str:
    """A token such as <unknown> is no tag."""
    return words.replace("<", "&lt;").replace(">", "&gt;")


def _share(share: float) -> str:
    return f"{share:.1%}"
