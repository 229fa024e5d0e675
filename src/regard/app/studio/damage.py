"""What is wrong with the folder of a run or a model, as far as can be told without reading all of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regard.spec.errors import CheckpointError
from regard.train.folder import RunFolder, kept_names, missing
from regard.train.result import lacking

_CONFIG_BYTES = 4_000_000
_HEADER_BYTES = 100_000_000  # of a safetensors file, which says itself how long its header is
_LENGTH = 8  # bytes in which it says so
_END = 64  # bytes of a file's end in which its last sign lies


def damage(path: Path, kind: str) -> str | None:
    """Why the folder cannot be used, in words; None where nothing is wrong. kind: "run" or "model".

    A run without metrics.json is no damaged one: it is not done yet.
    """
    if kind == "run":
        return _of_run(RunFolder(path))
    if (path / "config.json").is_file() and (wrong := _no_object(path / "config.json")) is not None:
        return wrong
    return next((wrong for file in sorted(path.glob("*.safetensors")) if (wrong := _cut(file)) is not None), None)


def was_run(path: Path) -> bool:
    """Whether a folder holds what only runs hold, beside a config.json that cannot be read."""
    folder = RunFolder(path)
    beside = folder.metrics.is_file() or folder.record.path.is_file()
    return beside and folder.config.is_file() and _no_object(folder.config) is not None


def config_of(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises `OSError`, `ValueError` or `TypeError` for one that is none."""
    if path.stat().st_size > _CONFIG_BYTES:
        raise ValueError("it is too large")
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise TypeError("it holds no JSON object")
    return found


def _of_run(folder: RunFolder) -> str | None:
    wrong = _no_object(folder.config)
    if wrong is not None or not folder.metrics.is_file():
        return wrong
    wrong = _no_object(folder.metrics)
    if wrong is None and (lacks := lacking(config_of(folder.metrics))) is not None:
        wrong = f"{folder.metrics.name} {lacks}"
    return wrong or _lost(folder, config_of(folder.config)) or _cut(folder.model)


def _lost(folder: RunFolder, config: Mapping[str, Any]) -> str | None:
    """What a finished run needs to answer, and is not there or, as far as its end tells, not whole."""
    if (name := missing(config, "settings")) is not None:
        return f"{folder.config.name} lacks {name!r}"
    try:
        name = folder.lost(config)
    except CheckpointError as error:
        return str(error)
    except TypeError:
        return f"{folder.config.name} says nothing that can be used of the files that it keeps"
    if name is not None or not folder.model.is_file():
        return f"{name or folder.model.name} is missing"
    whole = [one for one in kept_names(config) if one.endswith(".json")]
    return next((f"{one} is cut off or damaged" for one in whole if not _ends(folder.path / one)), None)


def _ends(path: Path) -> bool:
    """Whether a file ends as JSON does."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _END))
        return file.read().rstrip()[-1:] in (b"}", b"]")


def _no_object(path: Path) -> str | None:
    try:
        config_of(path)
    except json.JSONDecodeError as error:
        return f"{path.name} is cut off or damaged (line {error.lineno})"
    except ValueError:  # no UTF-8, or far too large
        return f"{path.name} is cut off or damaged"
    except (OSError, TypeError) as error:
        return f"{path.name} cannot be read ({error})"
    return None


def _cut(path: Path) -> str | None:
    """Whether a safetensors file is as long as its header says."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH), "little")
            if not 0 < length <= min(size, _HEADER_BYTES):
                return f"{path.name} is no safetensors file, or is cut off"
            header = json.loads(file.read(length))
        ends = [one["data_offsets"][1] for name, one in header.items() if name != "__metadata__"]
        wanted = _LENGTH + length + max(ends, default=0)
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        return f"{path.name} cannot be read ({error})"
    return None if size >= wanted else f"{path.name} is cut off: {size:,} bytes of {wanted:,}"
