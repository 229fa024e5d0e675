"""A calibration as a JSON file: the one that ships with regard, and the user's own."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, fields
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from regard.disk import make_folder, write_atomically
from regard.engine.calibration import DIRECTIONS, DTYPE_NAMES, Calibration, Key, Machine, Rates, forget
from regard.spec.errors import DataError
from regard.spec.value import described

VERSION = 2
_KEY = ("kernel", "dtype", "direction")
_RATES = tuple(each.name for each in fields(Rates))
_MACHINE = tuple(each.name for each in fields(Machine))


def own_path() -> Path:
    """Where the user's own calibration lies: in `$REGARD_CACHE`, or `$XDG_CACHE_HOME/regard`, or `~/.cache/regard`."""
    given, cache = os.environ.get("REGARD_CACHE"), os.environ.get("XDG_CACHE_HOME")
    if given:
        return Path(given).expanduser() / "calibration.json"
    return (Path(cache) if cache else Path.home() / ".cache") / "regard" / "calibration.json"


def own() -> Calibration | None:
    """The user's own calibration, of whatever machine; None where there is no such file.

    Raises:
        DataError: there is one, and it cannot be used.
    """
    try:
        return read(own_path())
    except DataError as error:
        if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            return None
        raise


def shipped_path() -> Path:
    """Where the calibration that is part of regard lies."""
    return Path(str(_shipped_file()))


def shipped() -> Calibration:
    """The calibration that is part of regard: a 2-core x86 machine with AVX512."""
    return _parsed(_shipped_file().read_text(encoding="utf-8"), None)


def read(path: Path) -> Calibration:
    """A calibration that `write` wrote.

    Raises:
        DataError: the file cannot be read, is not a calibration, or is of another version of regard.
    """
    try:
        return _parsed(path.read_text(encoding="utf-8"), path)
    except (OSError, ValueError) as error:  # DataError, broken JSON and broken UTF-8 are ValueErrors
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise DataError(
            f"{path}: this calibration cannot be used ({reason}); delete the file, or type: regard calibrate"
        ) from error


def write(calibration: Calibration, path: Path) -> None:
    """Writes a calibration; half a file is never left behind.

    Raises:
        RunError: the disk is full, or the folder cannot be written.
    """
    machine, rows = json.dumps(asdict(calibration.machine)), []
    for key, rates in sorted(calibration.rates.items()):
        rows.append(json.dumps(dict(zip(_KEY, key, strict=True)) | asdict(rates)))
    # a row a line: what a new calibration changes can be read in a diff
    lines = ",\n    ".join(rows)
    text = f'{{\n  "version": {VERSION},\n  "machine": {machine},\n  "rates": [\n    {lines}\n  ]\n}}\n'
    make_folder(path.absolute().parent)
    write_atomically(path.absolute(), text.encode())
    forget()


def _shipped_file() -> Traversable:
    return files("regard.engine").joinpath("calibration.json")


def _parsed(text: str, path: Path | None) -> Calibration:
    content = json.loads(text)
    if not isinstance(content, dict) or content.get("version") != VERSION:
        raise DataError(f"expected an object with version {VERSION}, found {described(_version(content))}")
    named = _exactly(content, ("version", "machine", "rates"), "the file")
    machine = Machine(**_exactly(named["machine"], _MACHINE, "machine"))
    if not isinstance(named["rates"], list):
        raise DataError(f"rates: expected a list, found {described(named['rates'])}")
    rows = [_row(number, given) for number, given in enumerate(named["rates"], 1)]
    if len(dict(rows)) < len(rows):
        raise DataError("rates: a kernel, dtype and direction is there twice")
    return Calibration(machine, dict(rows), path)


def _row(number: int, given: Any) -> tuple[Key, Rates]:
    where = f"row {number} of rates"
    named = _exactly(given, (*_KEY, *_RATES), where)
    kernel, dtype, direction = (named.pop(name) for name in _KEY)
    if not isinstance(kernel, str) or dtype not in DTYPE_NAMES.values() or direction not in DIRECTIONS:
        raise DataError(
            f"{where}: kernel {kernel!r}, dtype {dtype!r}, direction {direction!r}: expected a name, one of "
            f"{', '.join(DTYPE_NAMES.values())}, and one of {', '.join(DIRECTIONS)}"
        )
    try:
        return (kernel, dtype, direction), Rates(**named)
    except DataError as error:
        raise DataError(f"{where}: {error}") from error


def _exactly(given: Any, names: tuple[str, ...], where: str) -> dict[str, Any]:
    """`given` as a dict of just these names."""
    if not isinstance(given, dict) or set(given) != set(names):
        found = ", ".join(map(str, given)) if isinstance(given, dict) else described(given)
        raise DataError(f"{where}: expected {', '.join(names)}; found {found}")
    return dict(given)


def _version(content: Any) -> Any:
    return content.get("version") if isinstance(content, dict) else content
