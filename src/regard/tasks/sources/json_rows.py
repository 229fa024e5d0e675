"""Rows as JSON lines: UTF-8, one object a line, the same bytes on every system."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def write_jsonl(target: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes the rows, which may be an iterator; each row's keys in the order they are given."""
    with target.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
