"""What was read from a file: the rows that can be used, and those refused with why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from regard.spec.errors import DataError
from regard.tasks.readers.identity import Identity, fingerprint, joined_mark

_SHOWN = 3  # refused rows that an error message names one by one

R = TypeVar("R")
L = TypeVar("L", bound="Labelled")


class Labelled(Protocol):
    """A row with a label."""

    @property
    def label(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Row:
    """One usable row. `number` counts data rows from 1 (a csv's header is not counted)."""

    number: int
    text: str
    label: str

    @property
    def identity(self) -> Identity:
        given = fingerprint(self.text)
        return Identity(joined_mark(given, self.label), given, label=self.label)


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
class Reading(Generic[R]):
    """What was read from one file or folder, in its order. `notes`: what was converted on the way, in words."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[R, ...]
    refused: tuple[Refused, ...]
    notes: tuple[str, ...] = ()

    @property
    def labels(self: Reading[L]) -> tuple[str, ...]:
        """The labels there are, sorted."""
        return tuple(sorted({row.label for row in self.rows}))


Table = Reading[Row]


def usable(reading: Reading[R], *, skip_refused: bool = False) -> tuple[R, ...]:
    """The rows to work with: all of them, unless some were refused and `skip_refused` allows going on without.

    Raises:
        DataError: a row was refused and `skip_refused` is False; or no row is left.
    """
    count = len(reading.refused)
    judge_refused(
        reading.name, reading.refused, refused=count, whole=len(reading.rows) + count, skip_refused=skip_refused
    )
    return reading.rows


def judge_refused(name: str, first: Sequence[Refused], *, refused: int, whole: int, skip_refused: bool) -> None:
    """Goes on only where no row of `whole` was refused, or some were left and going on without was asked for.

    `first`: the refused rows, or as many of them as are kept.

    Raises:
        DataError: otherwise; the message names the first refused rows.
    """
    left = whole - refused
    if refused and (not skip_refused or not left):
        shown = "; ".join(str(one) for one in first[:_SHOWN])
        more = f"; and {refused - _SHOWN} more" if refused > _SHOWN else ""
        remedy = "correct them"
        if left:
            remedy += ", or go on without them: --set data.skip_refused=true in training, else --skip-refused"
        raise DataError(f"{name}: {refused} of {whole} rows cannot be used: {shown}{more}. {remedy}")
    if not left:
        raise DataError(f"{name}: no rows, expected at least one below the header; add rows")
