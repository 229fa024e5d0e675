"""Small tables as aligned text. Chinese and other wide characters count as two columns."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

_GAP = "  "
SHADES = " ░▒▓█"


def sheet(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, words: int = 1, width: int | None = None
) -> list[str]:
    """Lines of a table. The first `words` columns are set left, the others right (they are numbers).

    Where the table is wider than `width` terminal columns, it is cut into several below each other, each with the
    first `words` columns in front.
    """
    table = [list(header), *(list(row) for row in rows)]
    sizes = [max(cell_len(row[column]) for row in table) for column in range(len(header))]
    lines: list[str] = []
    for part in _parts(sizes, words, width):
        if lines:
            lines.append("")
        columns = [*range(words), *part]
        lines += [_GAP.join(_set(row[c], sizes[c], left=c < words) for c in columns).rstrip() for row in table]
    return lines


def numbers(values: Sequence[float]) -> list[str]:
    """Numbers as text: three decimals, or four digits of one that is 1000 or more. No zero has a minus sign."""
    texts = (f"{value:.3f}" if abs(value) < 1000 else f"{value:.4g}" for value in values)
    return ["0.000" if text == "-0.000" else text for text in texts]


def shades(matrix: Sequence[Sequence[float]], labels: Sequence[str]) -> list[str]:
    """A matrix drawn: each number as one of five shades of its share of the largest, three columns wide."""
    most = max((value for row in matrix for value in row), default=0.0)
    width = max((cell_len(label) for label in labels), default=0)
    lines = []
    for label, row in zip(labels, matrix, strict=True):
        drawn = "".join(SHADES[_step(value, most)] * 3 for value in row)
        lines.append(f"{_set(label, width, left=True)}{_GAP}│{drawn}│")
    return lines


def _step(value: float, most: float) -> int:
    """0 for nothing, then 1 to 4 for the four quarters of the largest value."""
    if value <= 0 or most <= 0:
        return 0
    return min(len(SHADES) - 1, 1 + int(value / most * (len(SHADES) - 1)))


def _set(text: str, width: int, *, left: bool) -> str:
    space = " " * (width - cell_len(text))
    return text + space if left else space + text


def _parts(sizes: Sequence[int], words: int, width: int | None) -> list[list[int]]:
    """The number columns in groups that fit beside the word columns; at least one column a group."""
    front = sum(sizes[:words]) + len(_GAP) * words
    parts: list[list[int]] = [[]]
    used = front
    for column in range(words, len(sizes)):
        more = sizes[column] + (len(_GAP) if parts[-1] else 0)
        if parts[-1] and width is not None and used + more > width:
            parts.append([])
            used, more = front, sizes[column]
        parts[-1].append(column)
        used += more
    return parts
