"""Where each piece of a written answer looked, as one HTML file: a row a piece, a column a unit of what was read."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from regard.lens.shell import shell
from regard.spec.errors import SpecError

ALIGNMENT_LIMITS = (
    "Weights show where the decoder's attention lay when each piece was written, over units that the encoder had "
    "already mixed with their neighbours: they are not proof of what caused the answer."
)
_LEAST = 0.01  # a weight whose number is written into its cell; of others it is in the title


def alignment_page(
    *,
    answer: str,
    units: Sequence[str],
    written: Sequence[str],
    weights: Sequence[Sequence[float]],
    kind: str,
    how: str,
    model: str,
) -> str:
    """The whole file. weights: for each written piece a share of every unit; colours are shares of the largest of all.

    kind: what one unit is called. how: whose weights they are. model: a sentence about who read.

    Raises:
        SpecError: the weights are not a row for each piece, of a number for each unit.
    """
    if len(weights) != len(written) or any(len(row) != len(units) for row in weights):
        raise SpecError(
            f"alignment_page: {len(weights)} rows of weights for {len(written)} pieces and {len(units)} units, "
            "expected a row for each piece, of a number for each unit"
        )
    most = max((weight for row in weights for weight in row), default=0.0)
    columns = "".join(f'<th scope="col"><span lang="" dir="auto">{escape(unit)}</span></th>' for unit in units)
    rows = "\n".join(_row(piece, row, most) for piece, row in zip(written, weights, strict=True))
    title = answer if len(answer) <= 80 else f"{answer[:79]}…"
    main = f"""<h1 lang="" dir="auto">{escape(answer)}</h1>
<p class="model">{escape(model)}</p>
<p class="legend" aria-hidden="true"><span>0</span><span class="scale"></span><span>{most:.3f}, the heaviest</span></p>
<p class="note" id="how">A row is a piece of the answer, a column a {escape(kind)} of what was read; numbers are \
per cent of the row. Weights: {escape(how)}.</p>
<div class="scroll" role="region" aria-label="Weights, written pieces by {escape(kind)}s" tabindex="0">
<table class="alignment" aria-describedby="how">
<thead><tr><td></td>{columns}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</div>
<p class="limits"><strong>What this can and cannot say.</strong> {escape(ALIGNMENT_LIMITS)}</p>"""
    return shell(title, main, wide=True)


def _row(piece: str, weights: Sequence[float], most: float) -> str:
    cells = "".join(
        f'<td style="--share:{weight / most if most > 0 else 0:.3f}" title="{weight:.3f}">'
        f"{f'{weight:.0%}'[:-1] if weight >= _LEAST else ''}</td>"
        for weight in weights
    )
    return f'<tr><th scope="row" lang="" dir="auto">{escape(piece)}</th>{cells}</tr>'
