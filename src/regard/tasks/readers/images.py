"""Pictures with a class each: a folder with one folder a class, or a table with a column of pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from regard.spec.errors import DataError
from regard.tasks.readers.digest import files_below
from regard.tasks.readers.faults import label_fault
from regard.tasks.readers.identity import Identity, exact_mark, joined_mark
from regard.tasks.readers.picture import SUFFIXES, Look, look
from regard.tasks.readers.picture_cells import Place, picture_file, picture_of
from regard.tasks.readers.reading import read_records
from regard.tasks.readers.records import Record, records_of
from regard.tasks.table import Reading, Refused


@dataclass(frozen=True, slots=True)
class Image:
    """One picture that can be used. `mark` is of its encoded bytes; `label` is "" where the data have none."""

    number: int
    place: Place
    look: Look
    mark: int
    label: str = ""

    @property
    def identity(self) -> Identity:
        return Identity(joined_mark(self.mark, self.label), self.mark, label=self.label)


def read_images(path: str | Path, *, image: str = "image", label: str | None = "label") -> Reading[Image]:
    """Reads pictures and decodes each once, to see that it can be. `label=None`: pictures alone, to be answered; then
    one picture's own file will do.

    A folder's pictures are numbered in order of their paths, and a picture's class is the folder it is in, directly
    below the one given. Refused are pictures that are cut short, animated, of more than 50 million pixels, or no
    pictures at all; conversions that will be needed (a palette, transparency, 16 bits) are counted in the notes.

    Raises:
        DataError: there is nothing to read, or a table lacks a column.
    """
    path = Path(path)
    if path.is_dir():
        return _folder(path, labelled=label is not None)
    if path.suffix.lower() in SUFFIXES and label is None:
        return _judged(path.parent, [path], labelled=False)
    records = records_of(path)
    records.need(image, label)

    def judge(record: Record) -> Image | str:
        reason = "" if label is None else label_fault(record.fields.get(label), label)
        if reason:
            return reason
        found = picture_of(record.fields.get(image), image, path=path, row=record.number - 1)
        name = "" if label is None else str(record.fields[label])
        return found if isinstance(found, str) else image_at(record.number, found, name)

    return noted(read_records(records, judge, only=[image, *([label] if label is not None else [])]))


def noted(reading: Reading[Image]) -> Reading[Image]:
    """The same with a note for each kind of picture that is converted."""
    return Reading(
        reading.name, reading.columns, reading.rows, reading.refused, conversions([row.look for row in reading.rows])
    )


def conversions(looks: Sequence[Look]) -> tuple[str, ...]:
    """What is done to pictures that are not plain, in words."""
    counts = Counter(one.coded for one in looks if one.coded)
    done = {"16 bits a channel": "the upper 8 are kept"}
    return tuple(
        f"{count:,} pictures are coded as {coded}: they are converted"
        + (f" ({done[coded]})" if coded in done else " (over white)" if "transparency" in coded else "")
        for coded, count in counts.most_common()
    )


def _folder(folder: Path, *, labelled: bool) -> Reading[Image]:
    files = files_below(folder)
    if not files:
        raise DataError(f"{folder} is empty; it needs one folder a class, with pictures in it")
    return _judged(folder, files, labelled=labelled)


def _judged(folder: Path, files: Sequence[Path], *, labelled: bool) -> Reading[Image]:
    rows: list[Image] = []
    refused: list[Refused] = []
    for number, file in enumerate(files, start=1):
        found = _in_folder(folder, file, number, labelled=labelled)
        if isinstance(found, str):
            refused.append(Refused(number, None, found))
        else:
            rows.append(found)
    name = folder.name if len(files) > 1 or labelled else files[0].name
    return noted(Reading(name, ("image", "label") if labelled else ("image",), tuple(rows), tuple(refused)))


def _in_folder(folder: Path, file: Path, number: int, *, labelled: bool) -> Image | str:
    inside = file.relative_to(folder)
    if labelled and len(inside.parts) < 2:
        return f"{inside.as_posix()} is in no folder of a class"
    found = picture_file(file, inside.as_posix())
    return found if isinstance(found, str) else image_at(number, found, inside.parts[0] if labelled else "")


def image_at(number: int, found: tuple[Place, bytes], label: str) -> Image | str:
    """A picture that was found, decoded once; or why it cannot be used."""
    place, content = found
    seen = look(content)
    if isinstance(seen, str):
        return f"{place.path.name if place.row < 0 else 'the picture'} {seen}"
    return Image(number, place, seen, exact_mark(content), label)
