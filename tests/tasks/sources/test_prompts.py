"""Recorded prompts and what they say."""

import csv
import gzip

from tests.tasks.package_files import debian_package

from regard.tasks.sources.prompts import prompts, transcripts

LISTING = """\ufeff; Core: sounds

activated: Activated.
beep: a tone
silence/1: (1 second of silence)
letters/at: at [@]
queue:  There are ...  waiting. (a tone plays)
digits/5: five: 5
missing: nobody said this
"""


def test_what_is_said_without_what_is_only_noted():
    assert transcripts(LISTING) == {
        "activated": "Activated.",
        "letters/at": "at",
        "queue": "There are waiting.",
        "digits/5": "five: 5",
        "missing": "nobody said this",
    }


def test_a_folder_of_sounds_and_a_csv(tmp_path):
    listing = {"./usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz": gzip.compress(LISTING.encode())}
    names = ("queue", "activated", "beep", "letters/at", "digits/5", "unlisted")
    sounds = {f"./usr/share/asterisk/sounds/en_US_f_Allison/{name}.wav": name.encode() for name in names}
    files = [debian_package(tmp_path / "texts.deb", listing), debian_package(tmp_path / "sounds.deb", sounds)]
    heard = []
    prompts("en", "en_US_f_Allison")(files, tmp_path / "made", heard.append)
    with (tmp_path / "made" / "speech.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            ["path", "text"],
            ["activated.wav", "Activated."],
            ["digits/5.wav", "five: 5"],
            ["letters/at.wav", "at"],
            ["queue.wav", "There are waiting."],
        ]
    assert (tmp_path / "made" / "letters" / "at.wav").read_bytes() == b"letters/at"
    assert sum(path.is_file() for path in (tmp_path / "made").rglob("*")) == 5
    assert heard[0].text == "4 prompts; 1 more have a text and no sound"
