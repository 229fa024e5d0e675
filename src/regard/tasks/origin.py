"""Where a run's data lie: a named set out of the cache, or files of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from regard.spec.errors import SpecError
from regard.tasks.event import Listener
from regard.tasks.readers.digest import data_digest, files_below, files_named
from regard.tasks.readers.records import SUFFIXES
from regard.tasks.sections import DataSettings
from regard.tasks.sources import Kind, obtain, source


def data_paths(data: DataSettings, kind: Kind, listen: Listener) -> list[Path]:
    """The file or folder with the data, and the test part's if it has one of its own. `kind` of named sets is what the
    task can read; one that is not in the cache is fetched first.

    Raises:
        SpecError: the settings name no data, or both a named set and a file, for either part.
        DataError: a set cannot be fetched.
    """
    if (data.source is None) == (data.path is None):
        given = "neither" if data.source is None else "both"
        raise SpecError(f"settings: {given} of data.source and data.path given, expected one: a named set, or a file")
    if data.test_source is not None and data.test_path is not None:
        raise SpecError("settings: both of data.test_source and data.test_path given, expected one, or none")
    named = ((data.source, data.path), (data.test_source, data.test_path))
    return [
        obtain(source(name, kind=kind), listen) if name is not None else Path(str(path))
        for name, path in named
        if name is not None or path is not None
    ]


def digest_of(data: DataSettings, kind: Kind, listen: Listener, *, named: str | None = None) -> str:
    """What the bytes of the data's files come down to. `named`: the column whose cells name files beside a table
    (pictures, recordings), which count too.

    Raises:
        SpecError: as `data_paths` does.
        DataError: a file is missing, or a set cannot be fetched.
    """
    paths = data_paths(data, kind, listen)
    return " ".join(data_digest(path, beside=() if named is None else _beside(path, named)) for path in paths)


def _beside(path: Path, column: str) -> Iterator[Path]:
    """The files that a table names, or those tables of a folder that have the column; cells of a parquet file hold
    pictures themselves."""
    tables = files_below(path) if path.is_dir() else [path]
    for table in tables:
        if table.suffix.lower() in SUFFIXES and table.suffix.lower() != ".parquet":
            yield from files_named(table, (column,))


def held_out(data: DataSettings, rows: int) -> str:
    """How the test part came about, for the protocol of its scores."""
    given = data.test_path is not None or data.test_source is not None
    origin = "given" if given else f"held-out,seed:{data.split_seed}"
    return f"part:test({origin})|rows:{rows}"
