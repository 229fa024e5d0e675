"""The log of a run: `log.jsonl`, one event a line, in the order in which they happened."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regard.disk import append_line, write_atomically


@dataclass(frozen=True)
class Record:
    """A run's log file."""

    path: Path

    def add(self, event: str, step: int, **values: Any) -> None:
        """Adds one line: {"event": ..., "step": ..., and the values}.

        Raises:
            RunError: the disk is full.
        """
        append_line(self.path, json.dumps({"event": event, "step": step, **values}, ensure_ascii=False))

    def lines(self) -> list[dict[str, Any]]:
        """Every event; a last line that a kill cut short is left out."""
        if not self.path.is_file():
            return []
        text = self.path.read_text(encoding="utf-8", errors="replace")
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("}\n")]

    def rewind(self, step: int) -> None:
        """Drops what was logged after a step, because a run goes on from there and will log it again."""
        kept = [line for line in self.lines() if line["step"] <= step]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in kept)
        write_atomically(self.path, text.encode())
