"""What a job came to, as one file: an HTML page that opens offline, or JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from regard.app.studio.curves import curves
from regard.app.studio.jobs import Job
from regard.app.studio.refusals import plain_json
from regard.lens.report import as_json as figures_of
from regard.lens.report.page import html
from regard.lens.report.payload import pack
from regard.lens.shell import shell

if TYPE_CHECKING:
    from regard.app.studio.studio import Studio


def as_json(studio: Studio, job: Job) -> bytes:
    """The job with its result; of looks the figures of every head, layer and unit, as `regard observe --json` gives
    them. Raises `RefusedError` (404) for a look that is no longer in memory."""
    values = json.loads(job.whole())
    values["looks"] = [figures_of(studio.looks[look].trace) for look in _looks(values)]
    return plain_json(values)


def as_html(studio: Studio, job: Job) -> bytes:
    """One page. Raises `RefusedError` (404) for a look that is no longer in memory."""
    values = json.loads(job.whole())
    if job.kind == "look":
        look = studio.looks[values["result"]["look"]]
        return html(pack(look.trace, title=look.title, images=(look.picture,))).encode()
    main = _PAGES[job.kind](studio, values)
    command = f"<h2>The same from the command line</h2>\n<p><code>{escape(values['command'])}</code></p>"
    return shell(
        values["title"], f"<h1>{escape(values['title'])}</h1>\n{main}\n{command}", wide=True, pictures=True
    ).encode()


def _looks(values: Mapping[str, Any]) -> list[str]:
    result = values["result"] if isinstance(values["result"], dict) else {}
    return [result["look"]] if "look" in result else list(result.get("looks", ()))


def _compared(studio: Studio, values: Mapping[str, Any]) -> str:
    result = values["result"]
    rows = [
        (one["layer"], str(one["head"]), _number(one["variation"]), *map(_number, (*one["breadth"], *one["distance"])))
        for one in result["changes"]
    ]
    header = ("layer", "head", "mass on other keys", "breadth, first", "second", "distance, first", "second")
    titles = [studio.looks[look].title for look in result["looks"]]
    names = "".join(f"<li>{escape(title)}</li>" for title in titles)
    return f"<ol>{names}</ol>\n<p>{escape(result['note'])}</p>\n{table('Heads that changed', header, rows)}"


def _why(_: Studio, values: Mapping[str, Any]) -> str:
    result = values["result"]
    parts = [f"<p>{escape(str(result['target']))} ({_number(result['probability'])}). {escape(result['note'])}</p>"]
    for one in result["explanations"]:
        chosen = " (the most faithful)" if one["chosen"] and result["best"] else ""
        parts.append(f'<section>\n<h2>{escape(one["method"])}{chosen}</h2>\n<p class="model">{escape(one["how"])}</p>')
        parts.append(_coloured(result["units"], one["weights"]))
        evidence = one["evidence"]
        lines = [] if evidence is None else evidence["lines"]
        parts.append("<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>\n</section>")
    rows = [
        (one["method"], row["measure"], row["replacement"], *map(_number, _values(row)))
        for one in result["explanations"]
        for row in ((one["evidence"] or {}).get("rows") or ())
    ]
    header = ("method", "measure", "taken away", "value", "random", "position", "reverse")
    parts.append(table("Evidence", header, rows) if rows else "")
    return "\n".join([*parts, f'<p class="limits">{escape(result["limits"])}</p>'])


def _values(row: Mapping[str, Any]) -> Sequence[float]:
    return [row[name] for name in ("value", "random", "position", "reverse")]


def _coloured(units: Mapping[str, Any], weights: Sequence[float]) -> str:
    """The units, darker where the weight is; what speaks against the answer is not coloured, but its weight is told."""
    most = max((weight for weight in weights if weight > 0), default=1.0) or 1.0
    pieces, at, source = [], 0, (units["source"] or "").encode("utf-16-le", "surrogatepass")
    spans = units["spans"] if units["source"] is not None else None
    for place, (text, weight) in enumerate(zip(units["texts"], weights, strict=True)):
        before = " "
        if spans:
            start, end = spans[place]
            before = source[2 * at : 2 * start].decode("utf-16-le", "replace") if start >= at else ""
            at = max(at, end)
        share = max(weight, 0.0) / most
        shown = f"{weight:.3f}"
        pieces.append(
            f'{escape(before)}<data value="{weight:.6f}" title="{shown}" data-weight="{shown}" tabindex="0" '
            f'style="--share:{share:.3f}">{escape(text)}</data>'
        )
    return f'<p class="text" dir="auto">{"".join(pieces)}</p>'


def _spent(_: Studio, values: Mapping[str, Any]) -> str:
    result = values["result"]
    columns = ("share", "error", "loss", "increase", "seconds", "bytes", "cache_bytes")
    rows = [
        (f"{100 * row['fraction']:g} %", str(row["answer"] or ""), *(_number(row[name]) for name in columns))
        for row in (result["exact"], *result["rows"])
    ]
    heads = [
        (one["layer"], str(one["head"]), _number(one["breadth"]), _number(one["distance"]), _number(one["first"]))
        for one in result["exact"]["heads"]
    ]
    notes = "".join(f"<li>{escape(note)}</li>" for note in result["notes"])
    return "\n".join(
        [
            f"<p>{escape(result['measured'])}</p>",
            table("Budgets", ("budget", "answer", *columns), rows),
            f"<ul>{notes}</ul>",
            table("Heads of the exact model", ("layer", "head", "breadth", "distance", "on the first key"), heads),
        ]
    )


def _trained(_: Studio, values: Mapping[str, Any]) -> str:
    result = values["result"]
    scores = [("this model", one) for one in result["scores"]]
    scores += [(baseline["name"], one) for baseline in result["baselines"] for one in baseline["scores"]]
    rows = [(name, one["name"], *map(_number, (one["value"], one["low"], one["high"]))) for name, one in scores]
    protocol = result["scores"][0]["protocol"]
    header = ("", "score", "value", "95% from", "to")
    return f'{table("Scores", header, rows)}\n<p class="note">{escape(protocol)}</p>\n{curves(result["points"])}'


_PAGES: Mapping[str, Callable[[Studio, Mapping[str, Any]], str]] = {
    "compare": _compared,
    "why": _why,
    "spend": _spent,
    "train": _trained,
}


def table(caption: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of texts, escaped here; the first cell of a row names it."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in rest)}</tr>\n'
        for first, *rest in rows
    )
    top = f"<caption>{escape(caption)}</caption>\n<thead><tr>{head}</tr></thead>"
    return f'<div class="scroll" tabindex="0"><table>\n{top}\n<tbody>\n{body}</tbody>\n</table></div>'


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
