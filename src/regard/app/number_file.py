"""A reader's own numbers for `regard walk --numbers`: a JSON file with the lists q, k and v."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from regard.app.walking import LARGEST, Array, Numbers, scaled_formula
from regard.spec.errors import DataError
from regard.spec.score import ScaledDot

_KEYS = ("q", "k", "v", "x", "words")
_FORM = '{"q": [[1, 0]], "k": [[1, 0], [0, 1]], "v": [[1], [2]]}'


def numbers_from(path: Path) -> Numbers:
    """Reads q (n, d), k (m, d), v (m, e): lists of rows. Optional: x (n, e), added at the end (q by default, where
    its shape fits), and words, names for the rows of k.

    Raises:
        DataError: the file is missing, is no such JSON, or holds rows that do not fit.
    """
    values = _object(path)
    query, key, value = (_array(path, name, values) for name in ("q", "k", "v"))
    if query.shape[1] != key.shape[1] or len(key) != len(value):
        raise DataError(
            f"{path.name}: q has the shape {query.shape}, k {key.shape}, v {value.shape}; expected q and k "
            "with equally long rows, and as many rows in v as in k"
        )
    residual = _array(path, "x", values) if "x" in values else query
    fits = residual.shape == (len(query), value.shape[1])
    if "x" in values and not fits:
        raise DataError(f"{path.name}: x has the shape {residual.shape}, expected {(len(query), value.shape[1])}")
    note = () if fits else ("There is no residual: q has another size than v. Give x to have one added.",)
    names = _names(path, values, len(key))
    return Numbers(
        query=query,
        key=key,
        value=value,
        residual=residual if fits else None,
        query_names=names if names and len(query) == len(key) else tuple(f"q{i + 1}" for i in range(len(query))),
        key_names=names or tuple(f"k{j + 1}" for j in range(len(key))),
        score=ScaledDot(),
        formula=scaled_formula(query.shape[1]),
        notes=note,
    )


def _object(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; give a JSON file such as {_FORM}") from None
    except (ValueError, OSError) as error:
        raise DataError(f"{path} cannot be read as JSON ({error}); expected {_FORM}") from None
    if not isinstance(values, dict):
        raise DataError(f"{path.name} holds a JSON {type(values).__name__}, expected {_FORM}")
    unknown = [name for name in values if name not in _KEYS]
    if unknown:
        raise DataError(f"{path.name} has the unknown entry {unknown[0]!r}; those there are: {', '.join(_KEYS)}")
    return values


def _array(path: Path, name: str, values: dict[str, Any]) -> Array:
    rows = values.get(name)
    if not isinstance(rows, list) or not rows or not all(isinstance(row, list) and row for row in rows):
        raise DataError(f"{path.name}: {name} is {json.dumps(rows)[:60]}; expected a list of rows, as in {_FORM}")
    for place, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            raise DataError(f"{path.name}: row {place} of {name} has {len(row)} numbers, the first {len(rows[0])}")
        bad = [one for one in row if not _is_number(one)]
        if bad:
            raise DataError(f"{path.name}: row {place} of {name} holds {bad[0]!r}; expected finite numbers")
    if len(rows) > LARGEST or len(rows[0]) > LARGEST:
        raise DataError(
            f"{path.name}: {name} has {len(rows)} rows of {len(rows[0])} numbers, expected at most {LARGEST} each: "
            "every number is printed"
        )
    return np.array(rows, dtype=np.float64)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _names(path: Path, values: dict[str, Any], count: int) -> tuple[str, ...]:
    names = values.get("words", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(names) not in (0, count):
        raise DataError(f"{path.name}: words must be a list of {count} texts, one for each row of k")
    return tuple(names)
