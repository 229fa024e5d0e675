"""Tunes for models that write them on: from files to blocks of symbols, the same for training and for a trained run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regard.spec.errors import DataError
from regard.tasks.alphabet import alphabet_from, run_alphabet
from regard.tasks.blocks import Blocks, Cuts, beginnings, cut
from regard.tasks.epochs import decided_epochs
from regard.tasks.event import Listener, Note
from regard.tasks.origin import digest_of
from regard.tasks.parting import parted, prepared
from regard.tasks.readers.symbols import Sequence as Row
from regard.tasks.readers.symbols import read_symbols
from regard.tasks.sections import TokenSettings
from regard.tasks.settings import Settings
from regard.tasks.table import Reading, usable
from regard.tasks.task import Asked, Given, Prepared, Setup
from regard.tasks.text_symbols import START_ID


def digest_tunes(settings: Settings, listen: Listener) -> str:
    """What the bytes of the tunes come down to. Raises as `data_paths` does."""
    return digest_of(settings.data, "symbols", listen)


def prepare_tunes(settings: Settings, kept: Mapping[str, str] | None, listen: Listener) -> Prepared:
    """The parts of a run that learns to write tunes on; those of one group (a work) go to one part.

    The facts hold the symbols that occur `tokens.least` times in the training part, `tokens.size` of them at most; any
    other is <unknown>, for the model and for what it is compared with.

    Raises:
        SpecError: the settings name no data, or both a named set and a file.
        DataError: the data cannot be read, or cannot be parted.
    """
    parts, tokens = parted(settings.data, "symbols", _reader(settings, {}), listen), settings.section(TokenSettings)
    alphabet = alphabet_from(parts.train, size=tokens.size, least=tokens.least)
    setup = Setup(settings, alphabet.facts)
    test = tune_ids(parts.test, setup)
    notes, unknown = sum(map(len, test)), sum(int((one < START_ID).sum()) for one in test)
    said = f"{len(alphabet.names):,} symbols, from the training part only"
    listen(Note(f"{said}; {unknown:,} of {notes:,} in the test part are none of them"))
    train = tune_blocks(parts.train, setup, overlapping=False)
    setup = replace(setup, settings=decided_epochs(settings, train, listen))
    found = prepared(
        setup, parts, lambda rows: train if rows is parts.train else tune_blocks(rows, setup, overlapping=True)
    )
    works = [parts.test[tune].group or parts.test[tune].number for tune, _, _ in scored_notes(parts.test, setup)]
    groups = works if len(set(works)) > 1 else None  # blocks of one work hang together
    return replace(found, protocol=f"{found.protocol}|symbols:{notes}|unknown:{unknown}", groups=groups)


def tune_ids(rows: Sequence[Row], setup: Setup) -> list[NDArray[np.int32]]:
    """The symbols of each tune by their ids."""
    alphabet = run_alphabet(setup)
    return [alphabet.ids(row.symbols) for row in rows]


def tune_blocks(rows: Sequence[Row], setup: Setup, *, overlapping: bool) -> Blocks:
    """Tunes as blocks. Overlapping ones, which tell half of what they read, are for scores; truths are the symbols that
    a block is scored on, as a range of so many."""
    ids = tune_ids(rows, setup)
    cuts = _cuts([len(one) for one in ids], setup, overlapping=overlapping)
    flat = np.concatenate([np.append(np.int32(START_ID), one) for one in ids])
    truths = [range(count) for count in (cuts.last - cuts.first).tolist()]
    return Blocks(flat, cuts.begins, cuts.ends, cuts.skipped, truths)


def scored_notes(rows: Sequence[Row], setup: Setup) -> list[tuple[int, int, int]]:
    """Of each overlapping block: its tune (from 0), and the first and the last of the symbols that it is scored on."""
    cuts = _cuts([len(row.symbols) for row in rows], setup, overlapping=True)
    return list(zip(cuts.texts.tolist(), cuts.first.tolist(), cuts.last.tolist(), strict=True))


def read_more_tunes(asked: Asked, setup: Setup) -> Given:
    """Tunes for a trained run: in blocks to be scored, or without truths one block each, to be gone on with.

    Raises:
        DataError: they cannot be read, or a row cannot be used.
    """
    words = bool(setup.facts["words"]) or None
    found = _reader(setup.settings, asked.columns, words=words)(asked.path)
    rows, refused = usable(found, skip_refused=asked.skip_refused), len(found.refused)
    if not asked.truths:
        return _given(found.name, rows, _beginnings(rows, setup), setup, refused=refused)
    tunes = [rows[tune] for tune, _, _ in scored_notes(rows, setup)]
    return _given(found.name, tunes, tune_blocks(rows, setup, overlapping=True), setup, refused=refused)


def typed_tunes(texts: Sequence[str], setup: Setup) -> Given:
    """Typed beginnings, one block each: their last symbols, as many as the model reads at once.

    Raises:
        DataError: a text is empty, or holds a symbol that the run does not know.
    """
    alphabet = run_alphabet(setup)
    rows = [Row(place, symbols) for place, symbols in enumerate(alphabet.typed(texts), start=1)]
    for row in rows:
        strange = sorted({one for one in row.symbols if one not in alphabet.names})
        if strange:
            known = " ".join(alphabet.names[:10])
            raise DataError(
                f"text {row.number} of {len(rows)} has symbols unknown to this run: {' '.join(strange)}; those it "
                f"knows are {len(alphabet.names):,} such as {known}"
            )
    return _given("typed", rows, _beginnings(rows, setup), setup)


def _beginnings(rows: Sequence[Row], setup: Setup) -> Blocks:
    longest = setup.settings.section(TokenSettings).longest
    return beginnings(tune_ids(rows, setup), start=START_ID, longest=longest)


def _given(name: str, rows: Sequence[Row], part: Blocks, setup: Setup, *, refused: int = 0) -> Given:
    between = " " if setup.facts["words"] else ""
    shown = tuple(between.join(row.symbols) for row in rows)
    marks = np.array([row.identity.given for row in rows], dtype=np.int64)
    return Given(name, part, tuple(row.number for row in rows), shown, refused, marks)


def _cuts(lengths: Sequence[int], setup: Setup, *, overlapping: bool) -> Cuts:
    longest = setup.settings.section(TokenSettings).longest
    return cut(lengths, longest=longest, stride=max(1, longest // 2) if overlapping else longest)


def _reader(
    settings: Settings, columns: Mapping[str, str], *, words: bool | None = None
) -> Callable[[Path], Reading[Row]]:
    named = {**settings.data.columns, **columns}
    return lambda path: read_symbols(
        path, symbols=named.get("symbols", "symbols"), group=named.get("group"), words=words
    )
