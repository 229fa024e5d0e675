"""The sequences that a trace's layers read, each told once: a text, a picture's patches, an encoder's input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regard.lens.trace import Trace
from regard.lens.units import Units

_WORD_STARTS = ("▁", "Ġ")  # how SentencePiece and byte-level vocabularies write "a space stands before"


@dataclass(frozen=True, eq=False)
class Stream:
    """One sequence of a batch item. valid: bool (places,), False for padding. layers: the indices of those whose keys
    it is."""

    units: Units
    valid: NDArray[np.bool_]
    layers: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Item:
    """One input of the batch. queries, keys: for each layer, which stream its queries and its keys are."""

    streams: tuple[Stream, ...]
    queries: tuple[int, ...]
    keys: tuple[int, ...]


def items(trace: Trace) -> tuple[Item, ...]:
    """Every input of the batch with its streams, in the order in which layers first read them."""
    return tuple(_item(trace, place) for place in range(len(trace.units)))


def _item(trace: Trace, place: int) -> Item:
    found: list[Units] = []
    marks: list[NDArray[np.bool_]] = []
    sides: list[tuple[int, int]] = []
    for layer in trace.layers:
        query = _known(found, marks, trace.units_of_queries(layer)[place])
        key = _known(found, marks, trace.units_of_keys(layer)[place])
        marks[query][layer.positions.numpy()[layer.queries_valid[place].numpy()]] = True
        marks[key][: layer.keys] |= layer.keys_valid[place].numpy()[: len(marks[key])]
        sides.append((query, key))
    if not found:
        _known(found, marks, trace.units[place])
        marks[0][:] = True
    streams = tuple(
        Stream(units, valid, tuple(index for index, (_, key) in enumerate(sides) if key == number))
        for number, (units, valid) in enumerate(zip(found, marks, strict=True))
    )
    return Item(streams, tuple(query for query, _ in sides), tuple(key for _, key in sides))


def _known(found: list[Units], marks: list[NDArray[np.bool_]], units: Units) -> int:
    for number, other in enumerate(found):
        if other is units or (other.texts == units.texts and other.kind == units.kind and other.source == units.source):
            return number
    found.append(units)
    marks.append(np.zeros(len(units), np.bool_))
    return len(found) - 1


def unread(units: Units) -> int:
    """How many characters of the source come after the last unit, blanks at the end not counted."""
    if units.spans is None or units.source is None:
        return 0
    read = max((end for _, end in units.spans), default=0)
    return len(units.source[read:].strip())


def shown(units: Units) -> tuple[list[str], dict[int, str], list[int]]:
    """(what each unit shows, what stands between it and the one before, which units cover nothing of the source)."""
    if units.spans is None or units.source is None:
        return _from_texts(units)
    texts, gaps, special = [], {}, []
    at = 0
    for place, (start, end) in enumerate(units.spans):
        begin = max(start, at)  # two tokens on one character (a ligature, the bytes of an emoji): the first has it
        if end > begin:
            piece = units.source[begin:end]
            begin += len(piece) - len(piece.lstrip(" ")) if piece.strip() else 0  # " the" is shaded as "the"
            if begin > at:
                gaps[place] = units.source[at:begin]
            texts.append(units.source[begin:end])
            at = end
        else:
            special.append(place)
            texts.append(units.texts[place])
    return texts, gaps, special


def _from_texts(units: Units) -> tuple[list[str], dict[int, str], list[int]]:
    special = [place for place in range(len(units)) if units.is_special(place)]
    if any(text.startswith(_WORD_STARTS) for text in units.texts):
        starts = {place: " " for place, text in enumerate(units.texts) if text.startswith(_WORD_STARTS)}
        return [text.lstrip("▁Ġ") or text for text in units.texts], starts, special
    if any(text[:1].isspace() for text in units.texts):  # they carry their own spaces
        return list(units.texts), {}, special
    between = "\n" if units.kind in ("line", "document") else " "
    return list(units.texts), dict.fromkeys(range(1, len(units)), between), special
