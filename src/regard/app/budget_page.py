"""One HTML page, offline: budgets against what they cost, and where every head looks. No script, nothing is fetched."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from regard.allocate.allocation import Allocation
from regard.allocate.comparison import Comparison
from regard.allocate.profiled import Profile
from regard.app.budget_charts import chart, scatter
from regard.app.budget_lines import Line
from regard.disk import write_atomically

_STYLE = (
    ":root{--paper:#fff;--ink:#1b1c1e;--quiet:#55595f;--line:#d9dce1;--c0:#b95716;--c1:#1d4ed8;--c2:#55595f;"
    "--c3:#7c3aed;--c4:#0f766e;--c5:#9b1c1c;--c6:#65740c;color-scheme:light}"
    "@media(prefers-color-scheme:dark){:root{--paper:#15171b;--ink:#eceef1;--quiet:#a6adb7;--line:#363b44;"
    "--c0:#f2a044;--c1:#93bbff;--c2:#a6adb7;--c3:#c4a7ff;--c4:#5eead4;--c5:#ffb4ab;--c6:#d3e06a;color-scheme:dark}}"
    "body{margin:0 auto;max-width:960px;padding:16px;background:var(--paper);color:var(--ink);"
    "font:14px/1.45 system-ui,Noto Sans,sans-serif;font-variant-numeric:tabular-nums}"
    "h1{font-size:17px}h2{font-size:14px;margin:24px 0 4px}p{margin:4px 0;color:var(--quiet)}"
    "svg{width:100%;height:auto;max-width:720px;display:block}svg text{font-size:11px;fill:var(--quiet)}"
    "svg .axis{stroke:var(--line);stroke-width:1}svg .grid{stroke:var(--line);stroke-width:.5}"
    "svg polyline{fill:none;stroke-width:2}svg .bar{stroke-width:1.5}"
    "ul.key{list-style:none;padding:0;margin:4px 0}ul.key svg{width:9px;display:inline-block;margin-right:6px}"
    + "".join(f".s{at}{{stroke:var(--c{at})}}.f{at}{{fill:var(--c{at})}}" for at in range(7))
    + "table{border-collapse:collapse;font-size:13px}th,td{text-align:right;padding:2px 10px 2px 0;"
    "border-top:1px solid var(--line);font-weight:400}thead th{color:var(--quiet);border:0}"
    "th:first-child,td:first-child{text-align:left}.wide{overflow-x:auto}"
)

_HEADS = "Each dot a query head: how many keys it looks at, and how far back. A colour each layer; larger: given more."


@dataclass(frozen=True)
class Page:
    """What a page shows; parts that are not there are left out. notes: sentences under the title."""

    title: str
    notes: tuple[str, ...] = ()
    unit: str = ""
    lines: tuple[Line, ...] = ()
    comparison: Comparison | None = None
    profile: Profile | None = None
    allocation: Allocation | None = None


def write(page: Page, path: Path) -> None:
    """Writes the page. Raises `RunError` where it cannot be written."""
    write_atomically(path, html(page).encode())


def html(page: Page) -> str:
    """The whole file."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    parts = [f"<h1>{escape(page.title)}</h1>", *(f"<p>{escape(note)}</p>" for note in page.notes)]
    if any(line.spots for line in page.lines):
        parts += ["<h2>Budget against cost</h2>", f"<p>{escape(page.unit)}, by the share of bytes read</p>"]
        parts.append(chart(page.lines, page.unit))
    if page.comparison is not None:
        header, rows = page.comparison.table()
        parts += ["<h2>Measured</h2>", _table(header, rows), *_layers(page.comparison)]
    if page.profile is not None and page.profile.layers:
        parts += ["<h2>Breadth and depth of every head</h2>"]
        parts.append(f"<p>{_HEADS}</p>")
        parts += [scatter(page.profile, page.allocation), _heads(page.profile, page.allocation)]
    policy = f"default-src 'none'; style-src 'sha256-{digest}'"
    body = "\n".join(parts)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(page.title)}</title>
<style>{_STYLE}</style>
</head>
<body>
{body}
</body>
</html>
"""


def _layers(comparison: Comparison) -> list[str]:
    """The error of each layer's attention output, a column a run."""
    paths = list(dict.fromkeys(path for ran in comparison.runs for path in ran.errors))
    if not paths:
        return []
    rows = [[path, *(_figure(ran.errors.get(path)) for ran in comparison.runs)] for path in paths]
    title = "<h2>Error of each layer's attention output, relative to its size</h2>"
    return [title, _table(["layer", *(ran.name for ran in comparison.runs)], rows)]


def _heads(profile: Profile, allocation: Allocation | None) -> str:
    """A row for each key head."""
    header = ["layer", "key head", "breadth", "distance", "on the first 4", "on the latest 64", "weight"]
    header += ["policy", "fraction"] if allocation is not None else []
    rows = []
    for path, layer in (profile.layers or {}).items():
        shape = (layer.kv_heads, -1)
        for head in range(layer.kv_heads):
            breadth, distance, first, latest = (
                float(layer[name].view(shape)[head].mean()) for name in ("breadth", "distance", "first", "latest")
            )
            row = [path, str(head), f"{breadth:.1f}", f"{distance:.0f}", _percent(first), _percent(latest)]
            row.append(f"{float(layer['weight'][head]):.2e}")
            if allocation is not None:
                given = allocation.layers.get(path)
                row += ["exact", ""] if given is None else [repr(given[head].policy), _percent(given[head].fraction)]
            rows.append(row)
    return _table(header, rows)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in header)
    body = "\n".join("<tr>" + "".join(f"<td>{escape(each)}</td>" for each in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"
