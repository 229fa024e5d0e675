"""Where a model looked in a picture, as one HTML file: the picture with its patches coloured by weight, once for each
thing that looked."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from html import escape

from regard.lens.evidence import Evidence
from regard.lens.page import evidence_section
from regard.lens.shell import shell
from regard.spec.errors import SpecError

_SIDE = 224  # pixels of the longer side on the page
_COVER = 0.8  # of the heaviest patch's colour is opaque, so that the picture shows through


def picture_page(
    *,
    answer: str,
    png: bytes,
    grid: tuple[int, int],
    looks: Sequence[tuple[str, Sequence[float]]],
    others: Sequence[tuple[str, float]] = (),
    how: str,
    model: str,
    limits: str,
    evidence: Evidence | None = None,
) -> str:
    """The whole file. looks: each thing that looked (a written word, or the answer as a whole), and its weights of the
    patches, row by row; colours are shares of its own heaviest patch.

    grid: (rows, columns) of patches. others: further units with their weights, which are no patches (words, say).
    how: whose weights they are. model: a sentence about who looked. limits: what can and cannot be said. evidence: how
    faithful the weights are, where that was measured.

    Raises:
        SpecError: a thing has not one weight for each patch.
    """
    rows, columns = grid
    for name, weights in looks:
        if len(weights) != rows * columns:
            raise SpecError(f"picture_page: {len(weights)} weights of {name!r} for {rows} x {columns} patches")
    source = f"data:image/png;base64,{b64encode(png).decode()}"
    figures = "\n".join(_figure(source, name, weights, grid) for name, weights in looks)
    title = answer if len(answer) <= 80 else f"{answer[:79]}…"
    main = f"""<h1 lang="" dir="auto">{escape(answer)}</h1>
<p class="model">{escape(model)}</p>
<p>Patches are coloured by weight, each picture by its own heaviest patch. Weights: {escape(how)}.</p>
<p class="legend" aria-hidden="true"><span>0</span><span class="scale"></span><span>the heaviest patch</span></p>
<div class="looks">
{figures}
</div>
{_table(others)}{_faithful(evidence)}\
<p class="limits"><strong>What this can and cannot say.</strong> {escape(limits)}</p>"""
    return shell(title, main, wide=True, pictures=True)


def _faithful(evidence: Evidence | None) -> str:
    return "" if evidence is None else f"{evidence_section(evidence)}\n"


def _figure(source: str, name: str, weights: Sequence[float], grid: tuple[int, int]) -> str:
    rows, columns = grid
    most, whole = max(weights, default=0.0), sum(weights)
    cells = "".join(
        f'<i style="--share:{_COVER * weight / most if most > 0 else 0:.3f}" '
        f'title="row {place // columns + 1}, column {place % columns + 1}: {weight:.3f}"></i>'
        for place, weight in enumerate(weights)
    )
    heaviest = max(range(len(weights)), key=lambda place: weights[place])
    told = f"{name}: heaviest in row {heaviest // columns + 1}, column {heaviest % columns + 1} of {rows} x {columns}"
    long = max(rows, columns)
    size = f"width:{_SIDE * columns / long:.0f}px;height:{_SIDE * rows / long:.0f}px"
    return (
        f'<figure><div class="seen" style="{size}"><img src="{source}" alt="{escape(told)}">'
        f'<div class="patches" style="grid-template-columns:repeat({columns},1fr)" aria-hidden="true">{cells}</div>'
        f'</div><figcaption lang="" dir="auto">{escape(name)}<br><small>patches {whole:.3f}, heaviest {most:.3f}'
        f"</small></figcaption></figure>"
    )


def _table(others: Sequence[tuple[str, float]]) -> str:
    if not others:
        return ""
    body = "".join(f'<tr><th scope="row">{escape(name)}</th><td>{weight:.3f}</td></tr>\n' for name, weight in others)
    head = '<th scope="col">unit</th><th scope="col">weight</th>'
    top = f"<caption>Beside the picture</caption>\n<thead><tr>{head}</tr></thead>"
    return f"<table>\n{top}\n<tbody>\n{body}</tbody>\n</table>\n"
