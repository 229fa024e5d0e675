"""Questions about a text: the context, the question, the answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from regard.tasks.readers.faults import label_fault, text_fault
from regard.tasks.readers.identity import Identity, fingerprint, joined_mark
from regard.tasks.readers.reading import group_column, read_records
from regard.tasks.readers.records import Record, records_of
from regard.tasks.table import Reading


@dataclass(frozen=True, slots=True)
class Question:
    """One question. `span`: where the answer first stands in the context, [start, end) in characters; None where it
    does not stand there word by word (it must then be written or chosen, not pointed at)."""

    number: int
    context: str
    question: str
    answer: str
    group: str | None = None
    span: tuple[int, int] | None = None

    @property
    def identity(self) -> Identity:
        given = joined_mark(fingerprint(self.context), fingerprint(self.question))
        return Identity(joined_mark(given, fingerprint(self.answer)), given, self.group)


def read_questions(
    path: str | Path,
    *,
    context: str = "context",
    question: str = "question",
    answer: str | None = "answer",
    group: str | None = None,
) -> Reading[Question]:
    """Reads questions from a jsonl, csv, tsv or parquet file. `answer=None`: questions alone, to be answered.

    Raises:
        DataError: the file is missing, empty, of an unknown kind, or lacks a column.
    """
    records = records_of(path)
    records.need(context, question, answer)
    group = group_column(records, group)
    texts = [one for one in (context, question, answer) if one is not None]

    def judge(record: Record) -> Question | str:
        fields = record.fields
        reason = next(filter(None, (text_fault(fields.get(one), one) for one in texts)), "")
        if not reason and group is not None:
            reason = label_fault(fields.get(group), group, "group")
        if reason:
            return reason
        said = "" if answer is None else fields[answer]
        named = None if group is None else str(fields[group])
        return Question(record.number, fields[context], fields[question], said, named, _span(fields[context], said))

    return read_records(records, judge, only=[*texts, *([group] if group is not None else [])])


def _span(context: str, answer: str) -> tuple[int, int] | None:
    start = context.find(answer) if answer else -1
    return None if start < 0 else (start, start + len(answer))
