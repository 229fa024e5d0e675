"""A reading on a terminal: its units coloured by weight."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text

from regard.lens.reading import Reading

_LIGHT = (255, 243, 214)  # the colour of the lightest word that is coloured
_HEAVY = (240, 120, 20)  # of the heaviest; black letters are readable on both (contrast 7 and more)
_COLD, _AGAINST = (222, 236, 250), (90, 160, 230)  # the same of what speaks against the answer
_LETTERS = "rgb(20,20,20)"
_LEAST = 0.05  # a share of the heaviest below which a word keeps the terminal's own colours


def painted(reading: Reading) -> Text:
    """All of it; each unit's background goes from pale to orange with its share of the heaviest one, and to blue where
    it speaks against the answer."""
    return coloured((piece, 0.0 if place is None else reading.share(place)) for piece, place in reading.segments())


def coloured(pieces: Iterable[tuple[str, float]]) -> Text:
    """Pieces of text, each with its share of the heaviest one's weight (-1 to 1) as its background."""
    text = Text()
    for piece, share in pieces:
        if abs(share) < _LEAST:
            text.append(piece)
        else:
            text.append(piece, style=f"{_LETTERS} on rgb({_mixed(share)})")
    return text


def _mixed(share: float) -> str:
    """Red, green and blue, 0 to 255."""
    ends = zip(_LIGHT, _HEAVY, strict=True) if share > 0 else zip(_COLD, _AGAINST, strict=True)
    return ",".join(str(round(low + abs(share) * (high - low))) for low, high in ends)
