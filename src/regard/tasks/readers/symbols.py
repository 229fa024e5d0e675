"""Sequences of symbols: bases of a gene, notes of a tune; with a label, or without one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regard.tasks.readers.faults import label_fault, text_fault
from regard.tasks.readers.identity import Identity, exact_mark
from regard.tasks.readers.reading import group_column, read_records
from regard.tasks.readers.records import Record, records_of
from regard.tasks.table import Reading


@dataclass(frozen=True, slots=True)
class Sequence:
    """One sequence. `symbols` one after the other; `label` is "" and `group` (a piece, a family) None without one."""

    number: int
    symbols: tuple[str, ...]
    label: str = ""
    group: str | None = None

    @property
    def identity(self) -> Identity:
        """By the symbols exactly: case tells notes apart."""
        symbols = " ".join(self.symbols).encode()
        return Identity(exact_mark(symbols, self.label.encode()), exact_mark(symbols), self.group, self.label)


def read_symbols(
    path: str | Path,
    *,
    symbols: str = "symbols",
    label: str | None = None,
    group: str | None = None,
    alphabet: Iterable[str] | None = None,
    words: bool | None = None,
    longest: int | None = None,
) -> Reading[Sequence]:
    """Reads sequences from a csv, tsv, jsonl or parquet file.

    Where any cell has a space inside, spaces part symbols in all of them (`C4 D4`); else every character is one
    (`ACGT`); `words` says which it is. `alphabet`: the symbols there may be; a sequence with another is refused and the
    symbol named, with its place from 1. `longest`: sequences of more symbols are refused.

    Raises:
        DataError: the file is missing, empty, of an unknown kind, or lacks a column.
    """
    records = records_of(path)
    records.need(symbols, label)
    group = group_column(records, group)
    allowed = None if alphabet is None else frozenset(alphabet)
    spaced = any(_has_space(record.fields.get(symbols)) for record in records.each([symbols]))
    by_words = spaced if words is None else words

    def judge(record: Record) -> Sequence | str:
        cell = record.fields.get(symbols)
        reason = text_fault(cell, symbols)
        if not reason and label is not None:
            reason = label_fault(record.fields.get(label), label)
        if not reason and group is not None:
            reason = label_fault(record.fields.get(group), group, "group")
        if reason:
            return reason
        found = symbols_of(record.fields[symbols], words=by_words)
        if longest is not None and len(found) > longest:
            return f"{len(found):,} symbols, expected at most {longest:,}"
        if allowed is not None:
            for place, one in enumerate(found, start=1):
                if one not in allowed:
                    return f"symbol {one!r} at place {place} is not in the alphabet ({_shown(allowed)})"
        name = "" if label is None else str(record.fields[label])
        return Sequence(record.number, found, name, None if group is None else str(record.fields[group]))

    return read_records(records, judge, only=[one for one in (symbols, label, group) if one is not None])


def symbols_of(cell: str, *, words: bool) -> tuple[str, ...]:
    """The symbols of a cell: its words, or its characters."""
    return tuple(cell.split()) if words else tuple(cell.strip())


def alphabet_of(sequences: Iterable[Sequence]) -> tuple[tuple[str, int], ...]:
    """The symbols there are and how often, most frequent first (of equal counts, in order of code points)."""
    counts: Counter[str] = Counter()
    for one in sequences:
        counts.update(one.symbols)
    return tuple(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def _has_space(cell: Any) -> bool:
    return isinstance(cell, str) and len(cell.split()) > 1


def _shown(alphabet: frozenset[str]) -> str:
    names = sorted(alphabet)
    return " ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
