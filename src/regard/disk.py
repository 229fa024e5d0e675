"""Writing files so that a kill or a full disk never leaves half of one."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from regard.spec.errors import RunError

PARTIAL = ".partial"

_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "files may not be so large",
}


def write_atomically(path: Path, content: bytes) -> None:
    """Writes beside the file, then renames: at any moment the path holds the old content or the new, whole.

    Raises:
        RunError: the disk is full, or the folder cannot be written; what was there before is still there.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}{PARTIAL}")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # or a power cut could leave a whole name on half a file
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise _refusal(path, error, len(content)) from error


def append_line(path: Path, line: str) -> None:
    """Adds one line to a text file.

    Raises:
        RunError: the disk is full, or the file cannot be written.
    """
    try:
        with path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(line + "\n")
    except OSError as error:
        raise _refusal(path, error, len(line)) from error


def make_folder(path: Path) -> tuple[Path, ...]:
    """Makes a folder and those above it, unless it is there. Returns those that were not there, innermost first.

    Raises:
        RunError: it cannot be made.
    """
    missing = tuple(folder for folder in (path, *path.parents) if not folder.exists())
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _refusal(path, error, 0) from error
    return missing


def remove_empty(folders: Iterable[Path]) -> None:
    """Removes folders in this order, up to the first that has something in it."""
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()  # fails, by itself, on a folder that is not empty


def remove_partials(folder: Path) -> None:
    """Removes what a killed run was in the middle of writing."""
    for partial in folder.rglob(f"*{PARTIAL}"):
        partial.unlink(missing_ok=True)


def _refusal(path: Path, error: OSError, needed: int) -> RunError:
    reason = _FULL.get(error.errno or 0)
    if reason is None:
        return RunError(f"{path} cannot be written ({error.strerror or error}); choose a folder that you may write to")
    free = shutil.disk_usage(path.parent).free if path.parent.is_dir() else 0
    return RunError(
        f"{path} cannot be written: {reason} ({needed:,} bytes needed, {free:,} free on that disk). Nothing written "
        f"before is lost: make room, then type the same command to go on"
    )
