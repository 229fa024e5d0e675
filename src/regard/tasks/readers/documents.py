"""Long texts, for models that write on: a folder of .txt files, one .txt file, or a table with a column of texts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from regard.spec.errors import DataError
from regard.tasks.readers.digest import files_below
from regard.tasks.readers.faults import bad_byte, text_fault
from regard.tasks.readers.identity import Identity, fingerprint
from regard.tasks.readers.reading import read_records
from regard.tasks.readers.records import Record, records_of
from regard.tasks.table import Reading, Refused


@dataclass(frozen=True, slots=True)
class Document:
    """One text. `name`: of its file, "" of a table's row."""

    number: int
    text: str
    name: str = ""

    @property
    def identity(self) -> Identity:
        mark = fingerprint(self.text)
        return Identity(mark, mark)


def read_documents(path: str | Path, *, text: str = "text") -> Reading[Document]:
    """Reads texts. Files of a folder are numbered in order of their paths; those that are no .txt are named in a note.

    Raises:
        DataError: there is no such file or folder, no .txt in it, or a table lacks the column.
    """
    path = Path(path)
    if path.is_dir():
        return _folder(path)
    if path.suffix.lower() == ".txt" and path.is_file():
        found = _file(path, 1, path.name)
        rows = (found,) if isinstance(found, Document) else ()
        return Reading(path.name, (), rows, (found,) if isinstance(found, Refused) else ())
    if path.suffix.lower() == ".txt":
        raise DataError(f"{path}: no such file; give a .txt file, a folder of them, or a table with a column {text!r}")
    records = records_of(path)
    records.need(text)

    def judge(record: Record) -> Document | str:
        return text_fault(record.fields.get(text), text) or Document(record.number, record.fields[text])

    return read_records(records, judge, only=[text])


def cut_at_ends(document: Document, *, test_share: float, validation_share: float) -> tuple[str, str, str]:
    """A text's (training, validation, test) stretches, in this order, cut at ends of lines nearest before the shares.

    For a single long text: what a model is tested on comes after all that it was trained on.

    Raises:
        DataError: a stretch would be empty.
    """
    text = document.text
    cuts = [round(len(text) * (1 - test_share - validation_share)), round(len(text) * (1 - test_share))]
    first, second = (text.rfind("\n", 0, cut) + 1 or cut for cut in cuts)
    parts = text[:first], text[first:second], text[second:]
    if not all(part.strip() for part in parts):
        raise DataError(
            f"text {document.number} ({len(text):,} characters) is too short to be cut into a training, a validation "
            f"and a test stretch; give more text, or larger shares"
        )
    return parts


def _folder(folder: Path) -> Reading[Document]:
    files = files_below(folder)
    texts = [file for file in files if file.suffix.lower() == ".txt"]
    if not texts:
        raise DataError(f"{folder} holds no .txt file ({len(files)} others); name texts so that they end in .txt")
    found = [_file(file, number, file.relative_to(folder).as_posix()) for number, file in enumerate(texts, start=1)]
    others = len(files) - len(texts)
    return Reading(
        folder.name,
        (),
        tuple(one for one in found if isinstance(one, Document)),
        tuple(one for one in found if isinstance(one, Refused)),
        (f"{others} files that do not end in .txt are not read",) if others else (),
    )


def _file(path: Path, number: int, name: str) -> Document | Refused:
    text = path.read_bytes().decode("utf-8-sig", "surrogateescape")
    bad = bad_byte(text)
    reason = f"broken UTF-8, {bad}" if bad else "" if text.strip() else "holds no text"
    return Refused(number, None, f"{name}: {reason}") if reason else Document(number, text, name)
