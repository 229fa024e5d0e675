"""A reading as one HTML file that opens without a network: no script, no outside request, text escaped."""

from __future__ import annotations

from html import escape

from regard.lens.reading import LIMITS, Reading
from regard.lens.shell import shell

_LISTED = 10


def page(reading: Reading) -> str:
    """The whole file. Each word is a `<data>` element with its weight as title, reachable with the Tab key."""
    title = f"{reading.label} ({reading.probability:.1%})"
    main = f"""<h1>{escape(title)}</h1>
<p class="model">{escape(reading.model)}</p>
<a class="skip" href="#numbers">Skip the words, to the numbers</a>
<section aria-label="The text, words coloured by weight">
<p class="text" lang="" dir="auto">{_words(reading)}</p>
{_unread(reading)}<p class="legend" aria-hidden="true"><span>0</span><span class="scale"></span>\
<span>{_most(reading):.3f}, the heaviest word</span></p>
</section>
<section id="numbers" tabindex="-1">
{_answers(reading)}
{_heaviest(reading)}
{_evidence(reading)}
</section>
<p class="limits"><strong>What this can and cannot say.</strong> {escape(LIMITS)}</p>"""
    return shell(title, main)


def _words(reading: Reading) -> str:
    parts = []
    for piece, word in reading.segments():
        if word is None:
            parts.append(escape(piece))
            continue
        weight = f"{word.weight:.3f}"
        parts.append(
            f'<data value="{word.weight:.6f}" title="{weight}" data-weight="{weight}" tabindex="0" '
            f'style="--share:{reading.share(word):.3f}">{escape(piece)}</data>'
        )
    return "".join(parts)


def _unread(reading: Reading) -> str:
    if not reading.unread:
        return ""
    return (
        f'<p class="note">{reading.unread} tokens of this text are not read: it is longer than the model reads.</p>\n'
    )


def _most(reading: Reading) -> float:
    return max((word.weight for word in reading.words), default=0.0)


def _answers(reading: Reading) -> str:
    rows = [(label, f"{probability:.3f}") for label, probability in reading.probabilities]
    return _table("Answer", ("label", "probability"), rows)


def _heaviest(reading: Reading) -> str:
    rows = [(word.text, f"{word.weight:.3f}") for word in reading.heaviest(_LISTED)]
    return _table("Heaviest words", ("word", "weight"), rows)


def _evidence(reading: Reading) -> str:
    check = reading.removal
    if check is None:
        return '<p class="note">No removal check: the text has fewer than two words.</p>'
    items = "".join(f"<li>{escape(line)}</li>\n" for line in check.lines())
    return f"<h2>A small check</h2>\n<ul>\n{items}</ul>"


def _table(caption: str, header: tuple[str, str], rows: list[tuple[str, str]]) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    body = "".join(f'<tr><th scope="row">{escape(name)}</th><td>{value}</td></tr>\n' for name, value in rows)
    top = f"<caption>{escape(caption)}</caption>\n<thead><tr>{head}</tr></thead>"
    return f"<table>\n{top}\n<tbody>\n{body}</tbody>\n</table>"
