"""What a budget costs, as markdown: errors, loss, facts, allocations, caches that are cut back, pruned tokens."""

from __future__ import annotations

from typing import Any

FEW = 4  # layers that are told one by one


def spending(result: dict[str, Any]) -> list[list[str]]:
    """A table for each model and length: each layer's error where they are few, else their mean and the worst."""
    found, tables = result.get("spending", {"rows": []}), []
    for model, length in dict.fromkeys((row["model"], row["length"]) for row in found["rows"]):
        these = [row for row in found["rows"] if (row["model"], row["length"]) == (model, length)]
        shares, layers = sorted({row["share"] for row in these}), these[0]["layers"]
        told = (
            f"layers {' / '.join(map(str, layers))}"
            if len(layers) <= FEW
            else f"mean of {len(layers)} layers (the worst)"
        )
        tables.append([f"{model}, {length:,} tokens of {found['reported']}, {told}; settings of {found['chosen_on']}:"])
        lines = [f"| at equal bytes | {' | '.join(f'{share:.0%}' for share in shares)} | one setting for all, 10% |"]
        lines += ["|---" * (len(shares) + 2) + "|"]
        for title in dict.fromkeys(row["title"] for row in these):
            each = {row["share"]: row for row in these if row["title"] == title}
            cells = [_layers(each[share]["errors"]) if share in each else "-" for share in shares]
            fixed = f"{_layers(each[0.1]['fixed_errors'])}, `{each[0.1]['fixed']}`" if 0.1 in each else "-"
            lines.append(f"| {title} | {' | '.join(cells)} | {fixed} |")
        tables.append(lines)
    return tables


def losses(result: dict[str, Any]) -> list[list[str]]:
    """For each model what a budget adds to its loss, kvpress beside it, and the facts that are found."""
    found, tables = result.get("losses", {}), []
    for model in dict.fromkeys(row["model"] for row in found.get("loss", ())):
        rows = [row for row in found["loss"] if row["model"] == model]
        exact = next((f"{row['exact']:.4f}" for row in rows if "exact" in row), "-")
        head = f"| {model}, {found['tokens']:,} tokens of {found['text']}, exact {exact} nats a token | bytes read "
        tables.append([f"{head}| loss | divergence |", "|---|---|---|---|"])
        tables[-1] += [f"| {row['title']} | {_share(row, 'bytes')} | {_lost(row)} |" for row in rows]
        some = [row for row in found["kvpress"] if row["model"] == model]
        if some:
            names = next((", ".join(f"{k} {v}" for k, v in row["versions"].items()) for row in some if "kl" in row), "")
            tables.append([f"| {names} | cache, mean | loss | divergence |", "|---|---|---|---|"])
            tables[-1] += [
                f"| {row['press']}, {row['size']}{_places(row)} | {_share(row, 'mean_share')} | {_lost(row)} |"
                for row in some
            ]
    return tables + [
        _facts(model, found["facts"]) for model in dict.fromkeys(r["model"] for r in found.get("facts", ()))
    ]


def _places(row: dict[str, Any]) -> str:
    """At how many places of the text a press was measured, where that is not all."""
    measured, wanted = row["places"]
    return "" if measured == wanted else f", at {measured} of {wanted} places"


def _facts(model: str, every: list[dict[str, Any]]) -> list[str]:
    rows = [row for row in every if row["model"] == model]
    exact = next((f"{row['exact_found']} of {row['asked']}" for row in rows if "found" in row), "-")
    lines = [f"| {model}: facts that exact attention finds: {exact} | bytes read | found | by depth |"]
    lines.append("|---|---|---|---|")
    for row in rows:
        told = "not to be had | " if "failed" in row else f"{row['found']} | {' '.join(map(str, row['found_at']))}"
        lines.append(f"| {row['title']} | {_share(row, 'bytes')} | {told} |")
    return lines


def allocation(result: dict[str, Any]) -> list[list[str]]:
    """What each budget added to the loss, allocated and spread evenly."""
    if "allocation" not in result:
        return []
    found = result["allocation"]
    about = f"{found['samples']} pieces of {found['tokens'] // max(1, found['samples']):,} scored tokens"
    exact = f"exact {found['exact']['loss']:.4f} nats a token"
    lines = [f"| {about} of {found['reported']}, {exact} | bytes read | loss | expected |", "|---|---|---|---|"]
    for row in found["runs"]:
        more = f"{row['increase']:+.4f} ± {row['increase_error'] or 0:.4f}"
        expected = found["expected"].get(row["name"])
        told = "-" if expected is None else f"{expected:+.4f}"
        lines.append(f"| {row['name']} | {row['share']:.1%} | {more} | {told} |")
    return [lines]


def eviction(result: dict[str, Any]) -> list[list[str]]:
    """What a cache that was cut back held at most, and what it added to the loss."""
    rows = [row for row in result["cases"] if "more" in row]
    if not rows:
        return []
    lines = ["| what stays | loss, nats a token | more | peak, of full |", "|---|---|---|---|"]
    for row in rows:
        error = "" if row["error"] is None else f" ± {row['error']:.4f}"
        peak = "-" if row["of_full"] is None else f"{row['of_full']:.3f}"
        lines.append(f"| {row['name']} | {row['loss']:.4f} | {row['more']:+.4f}{error} | {peak} |")
    return [lines]


def pruning(result: dict[str, Any]) -> list[list[str]]:
    """Accuracy of each way and seed, beside the whole model's."""
    if "accuracy" not in result:
        return []
    lines = ["| | seed | tokens processed | accuracy | over whole |", "|---|---|---|---|---|"]
    for row in result["accuracy"]:
        gained = (
            f"{100 * row['gain_value']:+.2f} points ({100 * row['gain_low']:+.2f} to {100 * row['gain_high']:+.2f})"
        )
        shown = f"{row['value']:.4f} ({row['low']:.3f} to {row['high']:.3f})"
        lines.append(f"| {row['way']} | {row['seed']} | {row['processed']:.1%} | {shown} | {gained} |")
    return [lines]


def _share(row: dict[str, Any], part: str) -> str:
    return f"{row.get(part, row['share']):.1%}"


def _lost(row: dict[str, Any]) -> str:
    if "failed" in row:
        return "not to be had | "
    more, apart = (f"{row[f'{part}_error'] or 0:.4f}" for part in ("increase", "kl"))
    return f"{row['increase']:+.4f} ± {more} | {row['kl']:.4f} ± {apart}"


def _layers(errors: list[float | None]) -> str:
    known = [error for error in errors if error is not None]
    if len(known) < len(errors):
        return "not to be had"
    if len(known) <= FEW:
        return " / ".join(f"{error:.3f}" for error in known)
    return f"{sum(known) / len(known):.3f} ({max(known):.3f})"
