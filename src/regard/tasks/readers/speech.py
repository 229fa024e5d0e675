"""Recordings with what is said in them: a table of paths of wav files and texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from regard.tasks.readers.faults import label_fault, text_fault
from regard.tasks.readers.identity import Identity, exact_mark, fingerprint, joined_mark
from regard.tasks.readers.reading import group_column, read_records
from regard.tasks.readers.records import Record, records_of
from regard.tasks.readers.wave_sound import Sound, SoundRules, check_installed, listen_to
from regard.tasks.table import Reading, Refused

_STRICT = SoundRules()
_NAMED = 5  # rows that a note names one by one


@dataclass(frozen=True, slots=True)
class Speech:
    """One recording that can be used. `group` is its speaker, None where the data say none; `text` may be ""."""

    number: int
    line: int | None
    path: Path
    text: str
    sound: Sound
    mark: int  # of the file's bytes
    group: str | None = None

    @property
    def identity(self) -> Identity:
        return Identity(joined_mark(self.mark, fingerprint(self.text)), self.mark, self.group)


def read_speech(
    path: str | Path,
    *,
    file: str = "path",
    text: str | None = "text",
    group: str | None = None,
    rules: SoundRules = _STRICT,
) -> Reading[Speech]:
    """Reads recordings, paths relative to the table's folder, and decodes each once. `text=None`: recordings alone, to
    be answered; then one recording's own file will do.

    Refused are files that are missing, cut short, silent, without samples or no wav; and those of several channels or
    another rate, unless `rules` say what to do with them: then the notes count them and name the first.

    Raises:
        DataError: the table is missing, empty, of an unknown kind, or lacks a column.
        MissingExtraError: resampling is asked for and scipy is not installed.
    """
    check_installed(rules)
    if Path(path).suffix.lower() == ".wav" and text is None:
        return ruled(_alone(Path(path)), rules)
    records = records_of(path)
    records.need(file, text)
    group = group_column(records, group)

    def judge(record: Record) -> Speech | str:
        fields = record.fields
        reason = text_fault(fields.get(file), file)
        if not reason and text is not None:
            reason = text_fault(fields.get(text), text)
        if not reason and group is not None:
            reason = label_fault(fields.get(group), group, "group")
        if reason:
            return reason
        found = _heard(records.path.parent / fields[file], fields[file])
        if isinstance(found, str):
            return found
        said = "" if text is None else fields[text]
        speaker = None if group is None else str(fields[group])
        return Speech(record.number, record.line, records.path.parent / fields[file], said, *found, speaker)

    return ruled(read_records(records, judge, only=[one for one in (file, text, group) if one is not None]), rules)


def _heard(path: Path, name: str) -> tuple[Sound, int] | str:
    """A recording, and the mark of its bytes; or why it cannot be used."""
    if not path.is_file():
        return f"there is no file {name}"
    content = path.read_bytes()
    sound = listen_to(content)
    return f"{name} {sound}" if isinstance(sound, str) else (sound, exact_mark(content))


def _alone(path: Path) -> Reading[Speech]:
    """One recording as a table of one row."""
    found = _heard(path, path.name)
    if isinstance(found, str):
        return Reading(path.name, ("path",), (), (Refused(1, None, found),))
    return Reading(path.name, ("path",), (Speech(1, None, path, "", *found),), ())


def common_rate(rows: Sequence[Speech]) -> int:
    """The samples a second that most recordings have (of equally many, the higher rate)."""
    counts = Counter(row.sound.rate for row in rows)
    return max(counts, key=lambda rate: (counts[rate], rate), default=0)


def ruled(reading: Reading[Speech], rules: SoundRules) -> Reading[Speech]:
    """The reading with the rules kept: recordings that they do not allow refused, the others' conversions noted."""
    rate = rules.rate or common_rate(reading.rows)
    refused = list(reading.refused)
    kept = []
    for row in reading.rows:
        reason = _against(row.sound, rate, rules)
        if reason:
            refused.append(Refused(row.number, row.line, f"{row.path.name} {reason}"))
        else:
            kept.append(row)
    noted = (
        _note(kept, lambda row: row.sound.channels > 1, "have several channels: they are mixed to one"),
        _note(kept, lambda row: row.sound.rate != rate, f"have another rate: they are resampled to {rate:,} Hz"),
        _note(kept, lambda row: row.sound.bits != 16, "have other than 16 bits a sample: they are read as they are"),
    )
    return Reading(
        reading.name,
        reading.columns,
        tuple(kept),
        tuple(sorted(refused, key=lambda one: one.number)),
        (*reading.notes, *filter(None, noted)),
    )


def _against(sound: Sound, rate: int, rules: SoundRules) -> str:
    if sound.channels > 1 and rules.channels == "refuse":
        return f"has {sound.channels} channels, expected 1 (to mix them: sound.channels=mix)"
    if sound.rate != rate and rules.other_rate == "refuse":
        return f"has {sound.rate:,} samples a second, expected {rate:,} (to resample it: sound.other_rate=resample)"
    return ""


def _note(rows: Sequence[Speech], odd: Callable[[Speech], bool], what: str) -> str:
    found = [row.number for row in rows if odd(row)]
    named = ", ".join(map(str, found[:_NAMED])) + (", ..." if len(found) > _NAMED else "")
    return f"{len(found):,} recordings {what} (rows {named})" if found else ""
