"""Labelled sequences of symbols: from files to parts of ids, the same for training and for a trained run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from regard.spec.errors import DataError
from regard.tasks.alphabet import alphabet_from, run_alphabet
from regard.tasks.batches import TextPart, encoded
from regard.tasks.epochs import decided_epochs
from regard.tasks.event import Listener
from regard.tasks.origin import digest_of
from regard.tasks.parting import parted, prepared
from regard.tasks.readers.symbols import Sequence as Row
from regard.tasks.readers.symbols import read_symbols
from regard.tasks.sections import SymbolSettings
from regard.tasks.settings import Settings
from regard.tasks.table import Reading, usable
from regard.tasks.task import Asked, Given, Prepared, Setup


def digest_symbols(settings: Settings, listen: Listener) -> str:
    """What the bytes of the sequences come down to. Raises as `data_paths` does."""
    return digest_of(settings.data, "symbols", listen)


def prepare_symbols(settings: Settings, kept: Mapping[str, str] | None, listen: Listener) -> Prepared:
    """The parts of a run that tells classes of sequences. The facts hold the labels and the symbols of the training
    part.

    Raises:
        SpecError: the settings name no data, or both a named set and a file.
        DataError: the data cannot be read, or cannot be parted.
    """
    parts = parted(settings.data, "symbols", _reader(settings, {}), listen)
    labels = sorted({row.label for row in parts.train})
    setup = Setup(settings, {"labels": labels, **alphabet_from(parts.train).facts})
    train = encode_symbols(parts.train, setup)
    setup = Setup(decided_epochs(settings, train, listen), setup.facts)
    return prepared(setup, parts, lambda rows: train if rows is parts.train else encode_symbols(rows, setup))


def encode_symbols(rows: Sequence[Row], setup: Setup) -> TextPart:
    """The ids of each sequence, and the place of its label among the run's.

    Raises:
        DataError: a label is unknown to the run.
    """
    alphabet, places = run_alphabet(setup), {name: i for i, name in enumerate(setup.facts["labels"])}
    unknown = sorted({row.label for row in rows} - {*places, ""})
    if unknown:
        raise DataError(f"labels unknown to this run: {', '.join(unknown)}; those it knows: {', '.join(places)}")
    ids = [alphabet.ids(row.symbols).tolist() for row in rows]
    return encoded(ids, [places.get(row.label, 0) for row in rows])


def read_more_symbols(asked: Asked, setup: Setup) -> Given:
    """Sequences for a trained run: with `asked.truths` their labels too.

    Raises:
        DataError: they cannot be read, a row cannot be used, or a label is unknown to the run.
    """
    words = bool(setup.facts["words"]) or None
    found = _reader(setup.settings, asked.columns, labelled=asked.truths, words=words)(asked.path)
    return _given(found.name, usable(found, skip_refused=asked.skip_refused), setup, refused=len(found.refused))


def typed_symbols(texts: Sequence[str], setup: Setup) -> Given:
    """Typed sequences for a trained run.

    Raises:
        DataError: one is empty, or longer than the run reads.
    """
    longest, found = setup.settings.section(SymbolSettings).longest, run_alphabet(setup).typed(texts)
    for place, symbols in enumerate(found, start=1):
        if len(symbols) > longest:
            raise DataError(f"text {place} has {len(symbols):,} symbols, expected at most {longest:,}")
    return _given("typed", [Row(place, symbols) for place, symbols in enumerate(found, start=1)], setup)


def _given(name: str, rows: Sequence[Row], setup: Setup, *, refused: int = 0) -> Given:
    between = " " if setup.facts["words"] else ""
    shown = tuple(between.join(row.symbols) for row in rows)
    marks = np.array([row.identity.given for row in rows], dtype=np.int64)
    return Given(name, encode_symbols(rows, setup), tuple(row.number for row in rows), shown, refused, marks)


def _reader(
    settings: Settings, columns: Mapping[str, str], *, labelled: bool = True, words: bool | None = None
) -> Callable[[Path], Reading[Row]]:
    named = {**settings.data.columns, **columns}
    return lambda path: read_symbols(
        path,
        symbols=named.get("symbols", "symbols"),
        label=named.get("label", "label") if labelled else None,
        group=named.get("group"),
        words=words,
        longest=settings.section(SymbolSettings).longest,
    )
