"""From readers' rows of any kind to a task's preparation: read, refuse, part, encode. What most tasks begin with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from regard.tasks.event import Listener, Note
from regard.tasks.origin import data_paths, held_out
from regard.tasks.part import MeasuredPart
from regard.tasks.readers.identity import Parted
from regard.tasks.readers.parts import Parts, part_rows
from regard.tasks.sections import DataSettings
from regard.tasks.sources import Kind
from regard.tasks.table import Reading, usable
from regard.tasks.task import Prepared, Setup

R = TypeVar("R", bound=Parted)

Encode = Callable[[Sequence[R]], MeasuredPart]


def parted(data: DataSettings, kind: Kind, read: Callable[[Path], Reading[R]], listen: Listener) -> Parts[R]:
    """The rows of a task's data in three parts. `read` reads one file or folder.

    Raises:
        SpecError: the settings name no data, or both a named set and a file.
        DataError: the data cannot be read, or cannot be parted.
    """
    readings = [read(path) for path in data_paths(data, kind, listen)]
    for reading in readings:
        if reading.refused and data.skip_refused:
            listen(Note(f"{reading.name}: {len(reading.refused)} rows cannot be used and are left out"))
        for note in reading.notes:
            listen(Note(f"{reading.name}: {note}"))
    rows = [usable(reading, skip_refused=data.skip_refused) for reading in readings]
    parts = part_rows(
        rows[0],
        test_rows=data.test_rows,
        validation_rows=data.validation_rows,
        seed=data.split_seed,
        given_test=rows[1] if len(rows) > 1 else None,
        train_rows=data.train_rows,
    )
    listen(Note(_sentence(parts)))
    return parts


def prepared(setup: Setup, parts: Parts[R], encode: Encode[R]) -> Prepared:
    """A preparation of rows that are encoded one by one, each alike in all parts."""
    groups = [row.identity.group for row in parts.test]
    known = [row.identity.given for part in (parts.train, parts.validation) for row in part]
    return Prepared(
        setup=setup,
        train=encode(parts.train),
        validation=encode(parts.validation),
        test=encode(parts.test),
        protocol=f"{held_out(setup.settings.data, len(parts.test))}|duplicates:removed",
        counts=counts(parts),
        marks=np.array(sorted(known), dtype=np.int64),
        groups=groups if len(set(groups)) > 1 else None,
        rows=parts,
    )


def counts(parts: Parts[R]) -> dict[str, int]:
    """Rows of each part, and those left out, for config.json."""
    return {
        "train": len(parts.train),
        "validation": len(parts.validation),
        "test": len(parts.test),
        "duplicates": parts.duplicates,
        "contradictions": parts.contradictions,
        "leaked": parts.leaked,
    }


def _sentence(parts: Parts[R]) -> str:
    told = f"{len(parts.train):,} rows to train on, {len(parts.validation):,} to validate, {len(parts.test):,} to test"
    left_out = (
        (parts.duplicates, "duplicates"),
        (parts.contradictions, "with one input and several labels"),
        (parts.leaked, "also in another part"),
    )
    return f"{told}; left out: {', '.join(f'{count:,} {what}' for count, what in left_out if count) or 'none'}"
