"""A reading as one HTML file that opens without a network: no script, no outside request, text escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from regard.lens.evidence import Compared, Evidence
from regard.lens.faithfulness import BASELINES, Mean
from regard.lens.reading import LIMITS, Reading
from regard.lens.shell import shell
from regard.lens.units import plural

_LISTED = 10


def page(reading: Reading) -> str:
    """The whole file. Each unit is a `<data>` element with its weight as title, reachable with the Tab key."""
    main = f"""<h1>{escape(reading.title)}</h1>
{_said(reading)}<p class="model">{escape(reading.model)}</p>
<a class="skip" href="#numbers">Skip the {escape(plural(reading.kind))}, to the numbers</a>
<section aria-label="What was read, coloured by weight">
<p class="text" lang="" dir="auto">{_units(reading)}</p>
{_notes(reading)}{_legend(reading)}</section>
<section id="numbers" tabindex="-1">
{_answers(reading)}
{_weights(f"Heaviest {plural(reading.kind)}", reading, reading.heaviest(_LISTED))}
{_weights("What speaks against it", reading, reading.against(_LISTED))}
{evidence_section(reading.explanation.evidence)}
</section>
<p class="note">Weights by {escape(reading.explanation.method)}: {escape(reading.explanation.how)}.</p>
<p class="limits"><strong>What this can and cannot say.</strong> {escape(LIMITS)}</p>"""
    return shell(reading.title, main)


def evidence_section(evidence: Evidence | None) -> str:
    """How faithful the weights are: in sentences, and each measure beside random, position and reverse order."""
    if evidence is None:
        return '<p class="note">How faithful these weights are was not measured.</p>'
    items = "".join(f"<li>{escape(line)}</li>\n" for line in evidence.lines())
    tables = [_measures("Measured on this input", evidence.compared(sample=False), evidence)]
    if evidence.sample:
        many = f"Measured on {evidence.inputs} other inputs, with 95 % intervals"
        tables.append(_measures(many, evidence.compared(sample=True), evidence))
    return f"<h2>How faithful</h2>\n<ul>\n{items}</ul>\n" + "\n".join(tables)


def _units(reading: Reading) -> str:
    parts = []
    for piece, place in reading.segments():
        if place is None:
            parts.append(escape(piece))
            continue
        weight = float(reading.explanation.weights[place])
        shown, share = f"{weight:.3f}", reading.share(place)
        against = ' class="against"' if share < 0 else ""
        parts.append(
            f'<data value="{weight:.6f}" title="{shown}" data-weight="{shown}" tabindex="0"{against} '
            f'style="--share:{abs(share):.3f}">{escape(piece)}</data>'
        )
    return "".join(parts)


def _said(reading: Reading) -> str:
    return f'<p lang="" dir="auto">{escape(reading.said)}</p>\n' if reading.said else ""


def _notes(reading: Reading) -> str:
    return "".join(f'<p class="note">{escape(note)}</p>\n' for note in reading.notes)


def _legend(reading: Reading) -> str:
    """What the colours are; where weights have a sign, both ends are as far from 0."""
    below, most = float(reading.explanation.weights.min()) < 0, reading.most
    left = f'<span>{-most:.3f}, against it</span><span class="scale against"></span>' if below else ""
    end = "for it" if below else f"the heaviest {escape(reading.kind)}"
    return (
        f'<p class="legend" aria-hidden="true">{left}<span>0</span><span class="scale"></span>'
        f"<span>{most:.3f}, {end}</span></p>\n"
    )


def _answers(reading: Reading) -> str:
    if not reading.answers:
        return ""
    return _table("Answers", ("answer", "probability"), [(name, f"{found:.3f}") for name, found in reading.answers])


def _weights(caption: str, reading: Reading, found: Sequence[tuple[str, float]]) -> str:
    if not found:
        return ""
    return _table(caption, (reading.kind, "weight"), [(text, f"{one:.3f}") for text, one in found])


def _measures(caption: str, rows: Sequence[Compared], evidence: Evidence) -> str:
    header = ("measure", "taken away", evidence.method, *BASELINES, "better")
    cells = [
        (
            one.metric.name,
            evidence.ways.get(one.way, one.way),
            _figure(one.explanation),
            *(_figure(one.baselines[name]) for name in BASELINES),
            one.metric.better,
        )
        for one in rows
    ]
    return f'<div class="scroll measures" role="region" aria-label="{escape(caption)}" tabindex="0">\n' + (
        f"{_table(caption, header, cells)}\n</div>"
    )


def _figure(mean: Mean) -> str:
    """With its interval, where there are inputs for one."""
    return f"{mean.value:.3f}" if mean.inputs == 1 else f"{mean.value:.3f} ({mean.low:.3f} to {mean.high:.3f})"


def _table(caption: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in rest)}</tr>\n'
        for first, *rest in rows
    )
    top = f"<caption>{escape(caption)}</caption>\n<thead><tr>{head}</tr></thead>"
    return f"<table>\n{top}\n<tbody>\n{body}</tbody>\n</table>"
