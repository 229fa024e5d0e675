"""Pictures with a text each: captions, or two sides of one thing; with a label, or without one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from regard.tasks.readers.faults import label_fault, text_fault
from regard.tasks.readers.identity import Identity, fingerprint, joined_mark
from regard.tasks.readers.images import Image, conversions, image_at
from regard.tasks.readers.picture_cells import picture_of
from regard.tasks.readers.reading import group_column, read_records
from regard.tasks.readers.records import Record, records_of
from regard.tasks.table import Reading


@dataclass(frozen=True, slots=True)
class Caption:
    """One picture with its text. `label` is "" and `group` None where the data have none."""

    number: int
    image: Image
    text: str
    group: str | None = None

    @property
    def label(self) -> str:
        return self.image.label

    @property
    def identity(self) -> Identity:
        """Several texts of one picture are no duplicates; the picture is what no two parts share."""
        return Identity(joined_mark(self.image.mark, fingerprint(self.text), self.label), self.image.mark, self.group,
                        self.label)  # fmt: skip


def read_captions(
    path: str | Path, *, image: str = "image", text: str = "text", label: str | None = None, group: str | None = None
) -> Reading[Caption]:
    """Reads pictures with texts from a parquet, csv, tsv or jsonl file, and decodes each picture once.

    Raises:
        DataError: the file is missing, empty, of an unknown kind, or lacks a column.
    """
    records = records_of(path)
    records.need(image, text, label)
    group = group_column(records, group)

    def judge(record: Record) -> Caption | str:
        fields = record.fields
        reason = text_fault(fields.get(text), text)
        if not reason and label is not None:
            reason = label_fault(fields.get(label), label)
        if not reason and group is not None:
            reason = label_fault(fields.get(group), group, "group")
        if reason:
            return reason
        place = picture_of(fields.get(image), image, path=records.path, row=record.number - 1)
        found = place if isinstance(place, str) else image_at(
            record.number, place, "" if label is None else str(fields[label])
        )  # fmt: skip
        if isinstance(found, str):
            return found
        return Caption(record.number, found, fields[text], None if group is None else str(fields[group]))

    reading = read_records(records, judge, only=[one for one in (image, text, label, group) if one is not None])
    notes = conversions([row.image.look for row in reading.rows])
    return Reading(reading.name, reading.columns, reading.rows, reading.refused, notes)
