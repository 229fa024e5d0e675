"""A file that one process at a time can hold."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def held(path: Path) -> Iterator[bool]:
    """Whether this process holds the file, until the block ends; then the file is removed.

    A killed process lets go by itself, and the file it leaves behind stops nobody. True always on Windows, which has no
    such locks: there two runs in one folder are the user's to avoid.
    """
    try:
        import fcntl
    except ImportError:
        yield True
        return
    while True:
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
                return
            if not _is_at(file, path):  # its holder removed it between our opening and locking: that lock is nobody's
                continue
            try:
                yield True
            finally:
                path.unlink(missing_ok=True)  # while it is still held, so that nobody else's is removed
            return


def _is_at(file: IO[str], path: Path) -> bool:
    """Is the open file still the one that has this name?"""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
