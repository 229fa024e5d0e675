"""What named sets hold, counted in the real packages, and a row of each that a person has read there."""

import csv
import json

import pytest

from regard.tasks.packages import file_sha256
from regard.tasks.sources import licence_text, source

pytestmark = pytest.mark.data


def rows_of(path):
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def as_documented(wanted):
    """Skips where the archive has replaced a package since its figures were written down."""
    for package in wanted.packages:
        if file_sha256(package.path) != package.sha256:
            pytest.skip(f"{package.file} is another than the one that the documents' figures are of")


@pytest.mark.parametrize(
    ("name", "groups", "row"),
    [
        ("spam", None, {"label": "spam"}),
        ("brown", 500, {"tokens": ["He", "paused", "."], "tags": ["pps", "vbd", "."]}),
        ("help-en-de", 2345, {"target": "Vergrößert die Breite der aktuellen Spalte."}),
        ("help-en-fr", 2330, {"target": "Lorsque vous avez terminé, choisissez Affichage - Normal."}),
        ("help-en-zh", 1999, {"source": "Deletes a file from a disk.", "target": "从磁盘上删除文件。"}),
        ("verses-en-es", 1166, {"target": "EN el principio crió Dios los cielos y la tierra.", "group": "Gen.1"}),
        ("verses-old-modern", 1187, {"target": "In the beginning, God created the heavens and the earth."}),
        ("package-summaries", 21599, {"target": "display file system usage using graph and colors", "group": "dfc"}),
        ("tomi", 999, {"question": "Where was the boots at the beginning?", "answer": "bathtub", "group": "story 1"}),
        ("quartz", None, {"question": "increases or decreases?", "answer": "increases"}),
        ("bach", 393, {"group": "bwv1.6.mxl"}),
        ("folk-tunes", 6580, {"group": "Potz marter kuri falty"}),
        ("prompts-en", None, {"path": "activated.wav", "text": "Activated."}),
        ("prompts-es", None, {"path": "auth-thankyou.wav", "text": "Gracias"}),
        ("prompts-fr", None, {"path": "activated.wav", "text": "activé"}),
        ("prompts-it", None, {"path": "activated.wav", "text": "Attivato."}),
        ("prompts-ru", None, {"path": "activated.wav", "text": "Активировано"}),
    ],
)
def test_a_set_holds_what_the_documents_say(needed, name, groups, row):
    path, wanted = needed(name), source(name)
    as_documented(wanted)
    rows = rows_of(path)
    assert wanted.holds.split()[0] == f"{len(rows):,}"
    assert groups == (len({one["group"] for one in rows}) if "group" in rows[0] else None)
    assert any(all(one[key] == value for key, value in row.items()) for one in rows)
    if wanted.kind == "speech":
        assert all((path.parent / one["path"]).stat().st_size > 44 for one in rows)  # more than a wav's header
    assert wanted.licence_member is None or len(licence_text(wanted)) > 100


@pytest.mark.parametrize(("name", "words"), [("austen", 717_537), ("shakespeare", 905_018)])
def test_long_texts_hold_what_the_documents_say(needed, name, words):
    texts = [path.read_text("utf-8") for path in needed(name).iterdir()]
    assert source(name).holds == f"{len(texts)} files"
    assert sum(len(text.split()) for text in texts) == words
    assert f"{words:,} words" in source(name).about
