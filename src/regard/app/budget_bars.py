"""Budgets and heads on a terminal: bars as long as what they stand for."""

from __future__ import annotations

from collections.abc import Sequence

from regard.allocate.allocation import Allocation
from regard.allocate.profiled import Profile
from regard.app.budget_lines import Line
from regard.app.sheet import sheet

_WIDE = 32  # columns of the longest bar
_PARTS = " ▏▎▍▌▋▊▉█"  # eighths of a column


def bar(value: float, most: float, width: int = _WIDE) -> str:
    """A bar for `value`, `width` columns for `most`; nothing for what is not above 0."""
    if not (value > 0 and most > 0):
        return ""
    eighths = max(1, round(min(1.0, value / most) * width * 8))
    return "█" * (eighths // 8) + (_PARTS[eighths % 8] if eighths % 8 else "")


def bars(lines: Sequence[Line], unit: str) -> list[str]:
    """What each budget costs, a bar each, budgets that are alike beside each other."""
    spots = sorted(
        ((spot, line.name) for line in lines for spot in line.spots),
        key=lambda each: (round(each[0].share, 3), each[1]),
    )
    most = max((spot.cost for spot, _ in spots), default=0.0)
    rows = []
    for spot, name in spots:
        error = "" if spot.error is None else f" ± {spot.error:.4f}"
        rows.append([name, f"{100 * spot.share:.1f} %", f"{spot.cost:+.4f}{error}", bar(spot.cost, most)])
    # the bars are set left, which `sheet` does for first columns only: they are put behind it
    told = sheet(["", "bytes read", unit], [row[:3] for row in rows])
    return [told[0], *(f"{line}  {row[3]}".rstrip() for line, row in zip(told[1:], rows, strict=True))]


def heads(profile: Profile, allocation: Allocation | None = None) -> list[str]:
    """A line for each key head: where the query heads that share it look, its weight, and what it is given."""
    header = ["layer", "head", "breadth", "distance", "first", "latest", "weight"]
    header += ["given", "of its bytes"] if allocation is not None else []
    rows, ends = [], []
    for path, layer in (profile.layers or {}).items():
        groups = layer.heads // layer.kv_heads
        shown = {name: layer[name].view(-1, groups).mean(1).tolist() for name in _SIGHTS}
        for head in range(layer.kv_heads):
            breadth, distance, first, latest = (shown[name][head] for name in _SIGHTS)
            row = [path, str(head), f"{breadth:.0f}", f"{distance:.0f}"]
            row += [f"{100 * first:.0f} %", f"{100 * latest:.0f} %", f"{float(layer['weight'][head]):.2e}"]
            end = ""
            if allocation is not None and path in allocation.layers:
                budget = allocation.layers[path][head]
                fraction = budget.fraction or 0.0
                row += [type(budget.policy).__name__, f"{100 * fraction:.1f} %"]
                end = bar(fraction, 1.0, _WIDE // 2)
            elif allocation is not None:
                row += ["", ""]
            rows.append(row)
            ends.append(end)
    told = sheet(header, rows)
    return [told[0], *(f"{line}  {end}".rstrip() for line, end in zip(told[1:], ends, strict=True))]


_SIGHTS = ("breadth", "distance", "first", "latest")
