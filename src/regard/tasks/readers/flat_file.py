"""Plain arrays in files: written bit by bit, read a stretch at a time, never held whole."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FlatFile:
    """Numbers of one dtype, one after the other (no header, this machine's byte order)."""

    path: Path
    dtype: str

    def __len__(self) -> int:
        return self.path.stat().st_size // np.dtype(self.dtype).itemsize if self.path.exists() else 0

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Numbers `start` to `stop`, copied out: what was read is freed with the array, unlike pages of a map."""
        if stop <= start:
            return np.empty(0, dtype=self.dtype)
        found = np.fromfile(
            self.path, dtype=self.dtype, count=stop - start, offset=start * np.dtype(self.dtype).itemsize
        )
        if len(found) != stop - start:
            raise EOFError(f"{self.path} ends {stop - start - len(found)} numbers early")
        return found

    def mapped(self) -> NDArray[Any]:
        """All of it, as a map into memory that can be written to; an empty array where there is nothing."""
        return np.memmap(self.path, dtype=self.dtype, mode="r+") if len(self) else np.empty(0, dtype=self.dtype)

    def add(self, values: NDArray[Any]) -> None:
        """Appends numbers."""
        with self.path.open("ab") as file:
            np.ascontiguousarray(values, dtype=self.dtype).tofile(file)

    def cut(self, count: int) -> None:
        """Keeps the first `count` numbers only: what a killed run added after its last note is dropped."""
        self.path.touch()
        os.truncate(self.path, count * np.dtype(self.dtype).itemsize)
