"""A trace as files: the report, the figures as JSON, the whole of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from regard.app.screen import Screen
from regard.lens.trace import Trace
from regard.spec.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image


def check_places(places: Mapping[str, Path | None], read: Mapping[str, Path | None]) -> None:
    """Refuses, before a model runs for minutes, what could not be written afterwards, or would write over something
    that is `read` or written by another option.

    Raises:
        DataError: an option names a folder, a file in a folder that is not there, or a file that another one names.
    """
    taken = {path.resolve(): option for option, path in read.items() if path is not None}
    for option, path in places.items():
        if path is None:
            continue
        if path.resolve() in taken:
            raise DataError(f"{option} {path} is the file of {taken[path.resolve()]} as well; name another")
        taken[path.resolve()] = option
        if path.is_dir():
            raise DataError(f"{option} {path} is a folder; name a file in it")
        if not path.parent.is_dir():
            raise DataError(f"{option} {path}: there is no folder {path.parent}; make it, or name another")


def save(screen: Screen, trace: Trace, places: Mapping[str, Path | None], *, picture: Image | None = None) -> None:
    """Writes what `--out`, `--json` and `--trace` name, and says so.

    Raises:
        RunError, DataError: a file cannot be written.
    """
    from regard.disk import write_atomically
    from regard.lens.report import as_json, report

    page, figures, whole = (places[option] for option in ("--out", "--json", "--trace"))
    if page is not None:
        report(trace, page, image=picture)
    if figures is not None:
        write_atomically(figures, (json.dumps(as_json(trace), ensure_ascii=False, indent=1) + "\n").encode())
    if whole is not None:
        trace.save(whole)
    for path in (page, figures, whole):
        if path is not None:
            screen.line(f"written to {path} ({path.stat().st_size / 1e6:.1f} MB)")
