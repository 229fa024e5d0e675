"""A table of labelled texts, as it was read from a file: the rows that can be used, and those refused with why."""

from __future__ import annotations

from dataclasses import dataclass

from regard.spec.errors import DataError

_SHOWN = 3  # refused rows that an error message names one by one


@dataclass(frozen=True, slots=True)
class Row:
    """One usable row. `number` counts data rows from 1 (a csv's header is not counted)."""

    number: int
    text: str
    label: str


@dataclass(frozen=True, slots=True)
class Refused:
    """One row that cannot be used. `line` is where it begins in a text file, from 1; None in a parquet file."""

    number: int
    line: int | None
    reason: str

    def __str__(self) -> str:
        place = f"row {self.number}" if self.line is None else f"row {self.number} (line {self.line})"
        return f"{place}: {self.reason}"


@dataclass(frozen=True)
class Table:
    """What was read from one file, in its order."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    refused: tuple[Refused, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels there are, sorted."""
        return tuple(sorted({row.label for row in self.rows}))


def usable(table: Table, *, skip_refused: bool = False) -> tuple[Row, ...]:
    """The rows to work with: all of them, unless some were refused and `skip_refused` allows going on without.

    Raises:
        DataError: a row was refused and `skip_refused` is False; or no row is left.
    """
    if table.refused and (not skip_refused or not table.rows):
        shown = "; ".join(str(refused) for refused in table.refused[:_SHOWN])
        more = f"; and {len(table.refused) - _SHOWN} more" if len(table.refused) > _SHOWN else ""
        total = len(table.rows) + len(table.refused)
        remedy = "correct them, or go on without them with data.skip_refused=true" if table.rows else "correct them"
        raise DataError(f"{table.name}: {len(table.refused)} of {total} rows cannot be used: {shown}{more}. {remedy}")
    if not table.rows:
        raise DataError(f"{table.name}: no rows, expected at least one below the header; add rows")
    return table.rows
