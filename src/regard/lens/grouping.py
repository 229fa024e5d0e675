"""Which tokens belong together: the words, lines or documents of a sequence of units."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from regard.lens.pieces import Pieces
from regard.lens.units import Units
from regard.lens.words import inside_one_word, merge
from regard.spec.errors import SpecError

_FINER = {"word": ("token",), "line": ("token", "word"), "document": ("token", "word", "line")}


@dataclass(frozen=True, eq=False)
class Grouping:
    """of: for each unit the index of the group it belongs to, in order. units: the groups as units of their own."""

    of: tuple[int, ...]
    units: Units


@dataclass(frozen=True)
class _Piece:
    """A token for `words.merge`, which wants a weight that nothing here asks for."""

    start: int
    end: int
    weight: float = 0.0


def can_group(units: Units, to: str) -> bool:
    """True where the units are finer than `to`: tokens to words; not patches, which no text orders.

    Raises:
        SpecError: `to` is not "word", "line" or "document".
    """
    if to not in _FINER:
        raise SpecError(f"merged({to!r}): expected one of {', '.join(map(repr, _FINER))}")
    return units.kind in _FINER[to]


def alone(units: Units) -> Grouping:
    """Every unit its own group."""
    return Grouping(tuple(range(len(units))), units)


def words(units: Units) -> Grouping:
    """Tokens to words: by the characters they cover where there are spans and a source, else by their marks.

    The rule is that of `regard.lens.words.merge`: pieces that touch inside a run of letters and digits are one word;
    signs, and tokens of scripts without spaces, stay as they are. Special tokens and blank ones stand alone.
    """
    joins = _by_marks(units) if units.spans is None or units.source is None else _by_spans(units)
    return _grouped(units, joins, "word")


def lines(units: Units) -> Grouping:
    """Units to lines of text: a line break belongs to the line it ends, and so do empty lines after it.

    Special tokens stand alone.
    """
    pieces = Pieces.of(units.texts)
    broken = [_breaks(units, pieces, place) for place in range(len(units))]
    blank = [not pieces.text([place]).strip() for place in range(len(units))]

    def joins(place: int) -> bool:
        if blank[place]:
            broken[place] = broken[place] or broken[place - 1]
            return True
        return not broken[place - 1]

    return _grouped(units, joins, "line")


def documents(units: Units, *, ids: Sequence[int] | None = None, separator: str | None = None) -> Grouping:
    """Units to documents: neighbours of one id, or what lies between units whose text is `separator`.

    A separator ends the document before it, unless it is a special token, which stands alone.

    Raises:
        SpecError: neither or both are given, the ids do not fit, or no unit is the separator.
    """
    if (ids is None) == (separator is None):
        raise SpecError("merged('document') needs either ids (one a unit) or separator (a unit's text, such as '</s>')")
    if ids is not None:
        if len(ids) != len(units):
            raise SpecError(f"{len(ids)} document ids for {len(units)} units: expected one a unit, special ones too")
        return _grouped(units, lambda place: ids[place] == ids[place - 1], "document")
    if separator not in units.texts:
        raise SpecError(f"separator={separator!r}: no unit has this text, so that nothing divides the documents")
    return _grouped(units, lambda place: units.texts[place - 1] != separator, "document")


def _grouped(units: Units, joins: Callable[[int], bool], kind: str) -> Grouping:
    """`joins(place)`: does this unit belong to the group of the one before? Never asked of special tokens."""
    of: list[int] = []
    for place in range(len(units)):
        beside = place > 0 and not units.is_special(place) and not units.is_special(place - 1)
        of.append((of[-1] if of else -1) + (not (beside and joins(place))))
    groups = list(_places(of))
    pieces = Pieces.of(units.texts)
    texts = tuple(_text(units, pieces, group) for group in groups)
    spans = None if units.spans is None else tuple(_span(units.spans, group, units.source) for group in groups)
    return Grouping(tuple(of), Units(texts, kind, spans, units.source, None, units.special))


def _places(of: Sequence[int]) -> Iterator[list[int]]:
    """The units of each group, in order."""
    group: list[int] = []
    for place, index in enumerate(of):
        if group and index != of[group[0]]:
            yield group
            group = []
        group.append(place)
    if group:
        yield group


def _text(units: Units, pieces: Pieces, group: Sequence[int]) -> str:
    if len(group) == 1 and units.is_special(group[0]):
        return units.texts[group[0]]
    if units.spans is not None and units.source is not None:
        start, end = _span(units.spans, group, units.source)
        return units.source[start:end] or units.texts[group[0]]
    if units.kind != "token":  # words have lost the spaces between them
        return " ".join(text for place in group if (text := units.texts[place].strip())) or units.texts[group[0]]
    text = pieces.text(group)
    return text.strip() or text


def _span(spans: Sequence[tuple[int, int]], group: Sequence[int], source: str | None) -> tuple[int, int]:
    """From the first to the last character, without blanks at either end unless there is nothing else."""
    start, end = spans[group[0]][0], max(spans[place][1] for place in group)
    return (start, end) if source is None else _trimmed(source, start, end)


def _trimmed(source: str, start: int, end: int) -> tuple[int, int]:
    text = source[start:end]
    if not text.strip():
        return start, end
    return start + len(text) - len(text.lstrip()), end - len(text) + len(text.rstrip())


def _by_spans(units: Units) -> Callable[[int], bool]:
    assert units.spans is not None
    source = units.source or ""
    inside = [_trimmed(source, *span) for span in units.spans]

    def joins(place: int) -> bool:
        if not all(source[slice(*inside[each])].strip() for each in (place - 1, place)):
            return False
        return len(merge(source, [_Piece(*inside[place - 1]), _Piece(*inside[place])])) == 1

    return joins


def _by_marks(units: Units) -> Callable[[int], bool]:
    pieces = Pieces.of(units.texts)
    marked = pieces.marks_words()
    letters = _whole_letters(pieces)

    def joins(place: int) -> bool:
        if pieces.splits_a_letter(place):
            return True
        if not marked or not pieces.begins_inside(place):
            return False
        before, here = letters[place - 1], letters[place]
        return bool(before and here) and inside_one_word(before[-1], here[0])

    return joins


def _whole_letters(pieces: Pieces) -> list[str]:
    """For each piece what it says, together with its neighbours that hold the other bytes of its letters."""
    texts: list[str] = []
    start = 0
    for place in range(1, len(pieces.texts) + 1):
        if place == len(pieces.texts) or not pieces.splits_a_letter(place):
            texts += [pieces.text(range(start, place))] * (place - start)
            start = place
    return texts


def _breaks(units: Units, pieces: Pieces, place: int) -> bool:
    """True where a line ends between the start of this unit and the start of the next."""
    if units.spans is None or units.source is None:
        return "\n" in pieces.text([place])
    start = _trimmed(units.source, *units.spans[place])[0]
    if place + 1 == len(units):
        return False
    end = _trimmed(units.source, *units.spans[place + 1])[0]
    return "\n" in units.source[start:end]
