"""Rows of a parquet file by number, one row group at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class ParquetRows:
    """Some columns of a parquet file. The row group that was read last is held, so that rows near each other cost one
    reading; a file whose groups do not fit into memory must be written with smaller ones."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        import pyarrow.parquet as pq

        self.path, self.columns = path, list(columns)
        described = pq.read_metadata(path)
        sizes = [described.row_group(group).num_rows for group in range(described.num_row_groups)]
        self.ends = np.cumsum(sizes) if sizes else np.zeros(1, dtype=np.int64)
        self._held: tuple[int, Any] = (-1, None)

    def read(self, rows: NDArray[np.int64]) -> list[dict[str, Any]]:
        """These rows (places from 0), in this order."""
        groups = np.searchsorted(self.ends, rows, side="right")
        found: list[dict[str, Any]] = [{}] * len(rows)
        for group in np.unique(groups):
            places = np.flatnonzero(groups == group)
            first = int(self.ends[group - 1]) if group else 0
            for place, fields in zip(
                places, self._group(int(group)).take(rows[places] - first).to_pylist(), strict=True
            ):
                found[place] = fields
        return found

    def _group(self, number: int) -> Any:
        import pyarrow.parquet as pq

        if self._held[0] != number:
            self._held = (-1, None)  # frees the last one before the next is read
            with pq.ParquetFile(self.path) as file:
                self._held = (number, file.read_row_group(number, columns=self.columns))
        return self._held[1]
