"""Speech: the prompts of a telephone exchange, one voice a language, with what they say."""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from regard.tasks.archive import files as files_in
from regard.tasks.archive import member
from regard.tasks.event import Listener, Note
from regard.tasks.packages import Package
from regard.tasks.sources.csv_rows import write_csv
from regard.tasks.sources.source import Make, Source

_SOUNDS = "./usr/share/asterisk/sounds"
_UNSAID = re.compile(r"\[[^\]]*\]|<[^>]*>|\([^)]*\)|\.{3,}")  # noted beside the words: signs, remarks, a number to come
_SOUNDS_ALONE = frozenset(
    {"beep", "beeperr", "ascending-2tone", "descending-2tone", "confbridge-join", "confbridge-leave"}
)


def transcripts(listing: str) -> dict[str, str]:
    """Name ("digits/1") -> what is said; without what is only noted, and without prompts in which nothing is said."""
    found = {}
    for line in listing.removeprefix("\ufeff").splitlines():
        name, colon, text = map(str.strip, line.partition(":"))
        said = " ".join(_UNSAID.sub(" ", text).split())
        if colon and said and not name.startswith(";") and name not in _SOUNDS_ALONE:
            found[name] = said
    return found


def prompts(language: str, voice: str) -> Make:
    """Makes a folder of wav files, as they lie in the package, and `speech.csv`: path, text."""

    def make(files: Sequence[Path], target: Path, listen: Listener) -> None:
        listing = f"./usr/share/doc/asterisk-core-sounds-{language}/core-sounds-{language}.txt.gz"
        said = transcripts(gzip.decompress(member(files[0], listing)).decode("utf-8"))
        target.mkdir()
        sounds = _unpacked(files[1], f"{_SOUNDS}/{voice}", said, target)
        write_csv(target / "speech.csv", ("path", "text"), ((f"{name}.wav", said[name]) for name in sorted(sounds)))
        listen(Note(f"{len(sounds):,} prompts; {len(said) - len(sounds):,} more have a text and no sound"))

    return make


def _unpacked(archive: Path, folder: str, said: Mapping[str, str], target: Path) -> list[str]:
    """Writes the sounds that have a text; their names."""
    names = []
    for path, content in files_in(archive, folder, ending=".wav"):
        name = path.removesuffix(".wav")
        if name in said:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            (target / path).write_bytes(content)
            names.append(name)
    return names


_ALIKE = "CC-BY-SA-3.0: name the speaker, and pass on what you make of them under the same licence."


def _set(language: str, called: str, voice: str, speaker: str, holds: str, minutes: int, notes: str = "") -> Source:
    return Source(
        name=f"prompts-{language}",
        about=f"{called} prompts of a telephone exchange with what they say, {minutes} minutes by {speaker}{notes}",
        kind="speech",
        holds=holds,
        packages=tuple(
            Package(
                name=name,
                version="1.6.1-1",
                file=f"{name}_1.6.1-1_all.deb",
                sha256=_FILES[name][1],
                size=_FILES[name][0],
                registry="debian",
            )
            for name in (f"asterisk-core-sounds-{language}", f"asterisk-core-sounds-{language}-wav")
        ),
        licence="CC-BY-3.0: name the speaker." if language in ("it", "ru") else _ALIKE,
        licence_member=f"./usr/share/doc/asterisk-core-sounds-{language}/copyright",
        home="https://downloads.asterisk.org/pub/telephony/sounds/",
        make=prompts(language, voice),
    )


_FILES = {  # package -> bytes, SHA-256
    "asterisk-core-sounds-en": (22_844, "973e797d28e37fa6ca3c0a9d6fa717e77cf1268ae916bf09fd3503113cdffa50"),
    "asterisk-core-sounds-en-wav": (18_272_864, "2be3ea287d83299d143815fa804f11179a75b7affd4a758b98b55f5afc18a35d"),
    "asterisk-core-sounds-es": (22_012, "9afdab7f559f036649fb406e625899306ca1004df8ebe39c30bfbd5912d66f74"),
    "asterisk-core-sounds-es-wav": (23_767_256, "9283a09a6d56fccdcc2bcfe86c48f0f844289cfbd46a3184d8785a6f7f569903"),
    "asterisk-core-sounds-fr": (23_152, "04c82c78c570c43a7136cbc5e2488d0c470b775468dff9fbce4a131b18cf1056"),
    "asterisk-core-sounds-fr-wav": (18_516_060, "8d4e1bc32ed5ba7fbda40841ca1825ed20cc6232724a473c90f8bb0e53e6073e"),
    "asterisk-core-sounds-it": (23_972, "3884d9457e12f21caa018c18f0d587df5d53ebea14b673d8453a134c5941ab3b"),
    "asterisk-core-sounds-it-wav": (18_262_124, "5a26638089e134b8ac39363fe249c5c93c50cd8bfdc9b2499ae61ec4a35e2fcb"),
    "asterisk-core-sounds-ru": (25_592, "28a61616bb0cd3345a7ea532dec4df9f071e5d0fa9f8c1a563ea9669002f39ab"),
    "asterisk-core-sounds-ru-wav": (18_788_860, "ccbfaebfa450b7a9ddf644ae0f3d1e9017d5df7c0aebe816e946345589d38201"),
}

SETS = (
    _set("en", "English", "en_US_f_Allison", "Allison Smith", "551 prompts", 24),
    _set("es", "Spanish", "es_MX_f_Allison", "Allison Smith", "477 prompts", 29, "; texts without accents"),
    _set("fr", "French", "fr_CA_f_June", "June Wallack", "509 prompts", 24),
    _set("it", "Italian", "it_IT_m_Carlo", "Carlo", "578 prompts", 23),
    _set("ru", "Russian", "ru_RU_f_IvrvoiceRU", "a woman of ivrvoice.ru", "554 prompts", 24),
)
