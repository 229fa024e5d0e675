"""Reports on pictures and sounds: classes, captions, scenes, speech."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from regard.tasks.readers.captions import read_captions
from regard.tasks.readers.findings import (
    NUMBERS,
    Findings,
    Sheet,
    class_faults,
    counted,
    few_fault,
    refused_fault,
    repeats,
    spread,
)
from regard.tasks.readers.images import Image, read_images
from regard.tasks.readers.scenes import read_scenes
from regard.tasks.readers.speech import common_rate, read_speech
from regard.tasks.readers.wave_sound import SoundRules

Columns = Mapping[str, str]  # what a column is for -> its name, where that is another


def check_images(path: Path, test: Path | None, columns: Columns, rules: Mapping[str, Any]) -> Findings:
    """Pictures with a class each."""
    reading = read_images(path, **columns)
    rows = reading.rows
    facts, warnings = repeats(rows, None if test is None else read_images(test, **columns).rows, "picture")
    sheets = (counted((row.label for row in rows), ("label", "pictures", "share")),) if rows else ()
    return Findings(
        reading.name, "images", "pictures", len(rows), reading.columns, reading.refused, sheets=sheets,
        facts=(*_sizes(rows), *reading.notes, *facts), warnings=warnings,
        faults=(*refused_fault(len(reading.refused)), *class_faults(row.label for row in rows)),
        good="A classifier can be trained on these pictures.",
    )  # fmt: skip


def check_captions(path: Path, test: Path | None, columns: Columns, rules: Mapping[str, Any]) -> Findings:
    """Pictures with a text each."""
    reading = read_captions(path, **columns)
    rows = reading.rows
    facts, warnings = repeats(rows, None if test is None else read_captions(test, **columns).rows, "picture")
    sheets: tuple[Sheet, ...] = ()
    faults = few_fault(len(rows), "pictures")
    if rows:
        facts = (
            *_sizes([row.image for row in rows]),
            spread([len(row.text) for row in rows], "characters a text"),
            *facts,
        )
        if "label" in columns:
            sheets = (counted((row.label for row in rows), ("label", "pictures", "share")),)
            faults = (*faults, *class_faults(row.label for row in rows))
    return Findings(
        reading.name, "captions", "pictures", len(rows), reading.columns, reading.refused, sheets=sheets,
        facts=(*reading.notes, *facts), warnings=warnings, faults=(*refused_fault(len(reading.refused)), *faults),
        good="A model of pictures and texts can be trained on this file.",
    )  # fmt: skip


def check_scenes(path: Path, test: Path | None, columns: Columns, rules: Mapping[str, Any]) -> Findings:
    """Pictures with boxes and masks."""
    reading = read_scenes(path)
    rows = reading.rows
    facts, warnings = repeats(rows, None if test is None else read_scenes(test).rows, "picture")
    labels = [label for row in rows for label in row.labels]
    sheets = (counted(labels, ("label", "boxes", "share")),) if labels else ()
    if rows:
        areas = [
            (right - left) * (bottom - top) / (row.image.look.width * row.image.look.height)
            for row in rows
            for left, top, right, bottom in row.boxes
        ]
        facts = (
            *_sizes([row.image for row in rows]),
            spread([len(row.boxes) for row in rows], "boxes a picture", ends=NUMBERS),
            *((spread(areas, "a box's share of its picture", form=".1%", ends=NUMBERS),) if areas else ()),
            f"pictures without a box: {sum(not row.boxes for row in rows):,}; with a mask: "
            f"{sum(row.mask is not None for row in rows):,}",
            *facts,
        )  # fmt: skip
    return Findings(
        reading.name, "scenes", "pictures", len(rows), reading.columns, reading.refused, sheets=sheets,
        facts=(*reading.notes, *facts), warnings=warnings,
        faults=(
            *refused_fault(len(reading.refused)), *few_fault(len(rows), "pictures"),
            *(("no box in any picture (there is nothing to find)",) if rows and not labels else ()),
        ),
        good="A model that finds things can be trained on these pictures.",
    )  # fmt: skip


def check_speech(path: Path, test: Path | None, columns: Columns, rules: Mapping[str, Any]) -> Findings:
    """Recordings with what is said."""
    named = {"file" if role == "path" else role: name for role, name in columns.items()}
    kept = SoundRules(**{name: rules[name] for name in ("rate", "channels", "other_rate") if name in rules})
    reading = read_speech(path, rules=kept, **named)
    rows = reading.rows
    facts, warnings = repeats(rows, None if test is None else read_speech(test, rules=kept, **named).rows, "recording")
    if rows:
        seconds = [row.sound.seconds for row in rows]
        signs = Counter("".join(row.text for row in rows))
        fast = [row.number for row in rows if len(row.text) > 40 * row.sound.seconds]
        facts = (
            f"{sum(seconds) / 3600:.2f} hours in all, at {kept.rate or common_rate(rows):,} samples a second",
            spread(seconds, "seconds a recording", form=".2f"),
            spread([len(row.text) for row in rows], "characters a text"),
            f"{len(signs):,} different characters",
            *facts,
        )
        if fast:
            warnings = (*warnings, f"{len(fast):,} recordings have over 40 characters a second (row {fast[0]} first): "
                                   "is the text theirs?")  # fmt: skip
    return Findings(
        reading.name, "speech", "recordings", len(rows), reading.columns, reading.refused,
        facts=(*reading.notes, *facts), warnings=warnings,
        faults=(*refused_fault(len(reading.refused)), *few_fault(len(rows), "recordings")),
        good="A model that writes down what it hears can be trained on this file.",
    )  # fmt: skip


def _sizes(rows: Sequence[Image]) -> tuple[str, ...]:
    """The sizes of pictures, in a sentence."""
    if not rows:
        return ()
    counts = Counter((row.look.width, row.look.height) for row in rows)
    (width, height), most = counts.most_common(1)[0]
    if len(counts) == 1:
        return (f"every picture has {width:,} x {height:,} pixels",)
    wide, high = zip(*counts, strict=True)
    return (
        f"pictures are of {len(counts):,} sizes, {min(wide):,} to {max(wide):,} pixels wide and {min(high):,} to "
        f"{max(high):,} high; {most / len(rows):.0%} have {width:,} x {height:,}",
    )
