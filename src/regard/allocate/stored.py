"""JSON files that a person can read: one format and version a file, nothing unknown in it, no number that is none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from regard.disk import write_atomically
from regard.spec.errors import DataError
from regard.spec.value import described

_WIDE = 118  # columns that a value may take on one line


def write(path: Path, form: str, body: dict[str, Any]) -> None:
    """Writes `body` under the name and version `form`, such as "regard allocation 1".

    Raises:
        RunError: the file cannot be written; what was there before is still there.
    """
    entries = ",\n".join(f" {_line(name)}: {_laid(value, 1)}" for name, value in {"format": form, **body}.items())
    write_atomically(path, f"{{\n{entries}\n}}\n".encode())


def read(
    path: Path, form: str, names: tuple[str, ...], older: Mapping[str, tuple[str, ...]] | None = None
) -> dict[str, Any]:
    """The entries `names` of a file that `write` wrote under `form`; or those of an earlier form, of `older`.

    Raises:
        DataError: there is no such file, it is none of this format and version, or has other entries.
    """
    what = form.rpartition(" ")[0].removeprefix("regard ")
    try:
        found = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refused)
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror or error}); expected a file of format {form!r}"
        ) from None
    except ValueError as error:  # broken UTF-8 and broken JSON are ValueErrors too
        raise DataError(f"{path} is no {what}: {error}") from None
    given = found.get("format") if isinstance(found, dict) else None
    names = (older or {}).get(given, names) if isinstance(given, str) else names
    if given != form and given not in (older or {}):
        told = f"its format is {described(given)}" if isinstance(found, dict) else "it is no JSON object"
        raise DataError(f'{path} is not what this regard reads: {told}, expected "{form}"')
    del found["format"]
    return exactly(found, names, str(path))


def exactly(given: Any, names: tuple[str, ...], where: str) -> dict[str, Any]:
    """`given` as a dict of just these names. Raises `DataError` for anything else."""
    if not isinstance(given, dict) or set(given) != set(names):
        found = ", ".join(map(str, given)) if isinstance(given, dict) else described(given)
        raise DataError(f"{where}: expected the entries {', '.join(names)}; found {found or 'none'}")
    return given


def _laid(value: Any, indent: int) -> str:
    """JSON in which a value takes one line where it fits, and a list of plain numbers or texts always."""
    line, flat = _line(value), not isinstance(value, (dict, list))
    row = isinstance(value, list) and not any(isinstance(each, (dict, list)) for each in value)
    if flat or row or len(line) + indent <= _WIDE:
        return line
    space = " " * (indent + 1)
    if isinstance(value, dict):
        parts = [f"{space}{_line(name)}: {_laid(each, indent + 1)}" for name, each in value.items()]
    else:
        parts = [space + _laid(each, indent + 1) for each in value]
    first, last = ("{", "}") if isinstance(value, dict) else ("[", "]")
    return first + "\n" + ",\n".join(parts) + "\n" + " " * indent + last


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _refused(constant: str) -> NoReturn:
    raise DataError(f"it holds {constant}, which is no number; make the file again")
