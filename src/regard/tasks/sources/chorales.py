"""Sequences of symbols: Bach's scores, voice by voice, out of MusicXML.

The format: MusicXML 4.0, "The partwise score" (W3C Community Group); a compressed score (.mxl) is a zip that holds one.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from regard.tasks.archive import files as files_in
from regard.tasks.event import Listener, Note
from regard.tasks.packages import Package
from regard.tasks.sources.json_rows import write_jsonl
from regard.tasks.sources.source import Source

_FOLDER = "music21/corpus/bach"
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}  # semitones above C
_REST = "r"
Sound = tuple[int | None, Fraction]  # semitones above C0, None a rest; length in quarter notes


def voices(score: bytes) -> list[list[Sound]]:
    """The notes and rests of each part, if it is one voice: parts with chords or several voices are left out.

    Tied notes are one note; grace notes have no length and are left out. Notes are as written: parts for transposing
    instruments stay transposed, repeats are not played twice.
    """
    parts = ElementTree.fromstring(_unpacked(score)).iterfind("part")
    return [voice for part in parts if (voice := _voice(part))]


def _voice(part: Element) -> list[Sound]:
    """A part's notes; none if it has chords or goes back in time for a second voice."""
    divisions = 1
    found: list[Sound] = []
    for measure in part.iterfind("measure"):
        for one in measure:
            if one.tag == "attributes":
                divisions = int(one.findtext("divisions") or divisions)
            elif one.tag == "backup" or (one.tag == "note" and one.find("chord") is not None):
                return []
            elif one.tag == "note" and (length := one.findtext("duration")):
                _add(found, one, Fraction(length) / divisions)
    return found


def _add(found: list[Sound], note: Element, length: Fraction) -> None:
    pitch = _pitch(note)
    ends_tie = any(tie.get("type") == "stop" for tie in note.iterfind("tie"))
    if ends_tie and found and found[-1][0] == pitch:
        found[-1] = (pitch, found[-1][1] + length)
    else:
        found.append((pitch, length))


def _pitch(note: Element) -> int | None:
    pitch = note.find("pitch")
    if pitch is None:
        return None
    step, alter, octave = (pitch.findtext(name) for name in ("step", "alter", "octave"))
    return _STEPS[step or ""] + int(float(alter or 0)) + 12 * int(octave or 0)


def symbol(sound: Sound) -> str:
    """ "60_1/2": an eighth at middle C (48 semitones above C0 are written as MIDI's 60); "r_1": a quarter's rest."""
    pitch, length = sound
    return f"{_REST if pitch is None else pitch + 12}_{length}"


def chorales(files: Sequence[Path], target: Path, listen: Listener) -> None:
    """One row a voice. Voices that are the same, or the same but transposed, are written once.

    `group` is the score, or the first score with which it shares a voice: Bach set one melody several times, and what
    is held out for a test should not have been heard before.
    """
    first_in: dict[
        tuple[object, ...], str
    ] = {}  # a voice without its pitch -> the group of the score that had it first
    scores = written = 0

    def rows() -> Iterator[dict[str, str]]:
        nonlocal scores, written
        for path, content in files_in(files[0], _FOLDER):
            if not path.endswith((".mxl", ".xml", ".musicxml")):
                continue
            scores += 1
            found = {_shape(voice): voice for voice in voices(content)}
            group = next((first_in[shape] for shape in found if shape in first_in), path)
            for shape, voice in found.items():
                if shape not in first_in:
                    first_in[shape] = group
                    written += 1
                    yield {"symbols": " ".join(map(symbol, voice)), "group": group}

    write_jsonl(target, rows())
    listen(Note(f"{written:,} voices out of {scores:,} scores"))


def _shape(voice: Sequence[Sound]) -> tuple[object, ...]:
    """What stays of a voice when it is transposed: its pitches from the first note's, and its lengths."""
    base = next((pitch for pitch, _ in voice if pitch is not None), 0)
    return tuple((None if pitch is None else pitch - base, length) for pitch, length in voice)


def _unpacked(score: bytes) -> bytes:
    """The score itself: of a compressed one, the first file that is not about the archive."""
    if not score.startswith(b"PK"):
        return score
    with zipfile.ZipFile(BytesIO(score)) as packed:
        name = next(name for name in packed.namelist() if name.endswith("xml") and not name.startswith("META-INF/"))
        return packed.read(name)


MUSIC21 = Package(
    name="music21",
    version="10.5.1",
    file="music21-10.5.1-py3-none-any.whl",
    sha256="dc3309498c4c95cebdf8d4f20c868deb6b63bce1d929cad4f51a7ccc982987b1",
    size=20_118_992,
)
_CHORALES = Source(
    name="bach",
    about="Bach's scores, chorales most of them, voice by voice: pitch and length of each note",
    kind="symbols",
    holds="1,725 voices",
    packages=(MUSIC21,),
    licence="The package: BSD-3-Clause; the music is in the public domain, the scores were given to music21 by those "
    "who typed them.",
    licence_member="music21/corpus/license.txt",
    home="https://github.com/cuthbertLab/music21",
    make=chorales,
)

SETS = (_CHORALES,)
