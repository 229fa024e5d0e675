"""Emoji pictures with their names: two packages joined on the codes, and what they hold when they are there."""

import io
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tests.tasks.package_files import tarball

from regard.spec.errors import DataError
from regard.tasks.event import unheard
from regard.tasks.sources.emoji import LANGUAGES, captions, emoji

CALLED = {
    "en": {"1F600": "grinning face", "2639": "frowning face", "1F3FB": "light skin tone"},
    "de": {"1F600": "grinsendes Gesicht", "2639": "düsteres Gesicht", "1F3FB": "helle Hautfarbe"},
    "fr": {"1F600": "visage rieur", "2639": "visage mécontent", "1F3FB": "peau claire"},
    "zh": {"1F600": "嘿嘿", "2639": "不满", "1F43B": "熊"},
}


def square(grey):
    packed = io.BytesIO()
    Image.fromarray(np.full((64, 64, 4), grey, dtype=np.uint8)).save(packed, format="PNG")
    return packed.getvalue()


def entry(unified, order, category="Smileys & Emotion", kind="face"):
    image = f"{unified.lower()}.png"
    return {"unified": unified, "image": image, "sort_order": order, "category": category, "subcategory": kind}


@pytest.fixture
def files(tmp_path):
    """Four emoji of which two have a picture and a name in all four languages."""
    listed = [
        entry("2639-FE0F", 2),
        entry("1F600", 8),
        entry("1F3FB", 3, "Component", "skin-tone"),  # no name in Chinese
        entry("1F43B", 4, "Animals & Nature", "animal-mammal"),  # no picture
    ]
    pictures = {f"package/img/google/64/{one['image']}": square(number) for number, one in enumerate(listed[:3])}
    inside = {"package/emoji.json": json.dumps(listed), "package/img/google/32/1f600.png": b"smaller", **pictures}
    names = {
        f"package/{language}/data.json": json.dumps([{"hexcode": code, "label": name} for code, name in called.items()])
        for language, called in CALLED.items()
    }
    return [tarball(tmp_path / "pictures.tgz", inside), tarball(tmp_path / "names.tgz", names)]


def test_pictures_and_names_meet_whether_or_not_the_code_asks_for_colour(files):
    found = emoji(files)
    assert [one.code for one in found] == ["2639", "1F600"]  # in the order of the charts
    assert [one.names for one in found] == [
        {language: CALLED[language][code] for language in LANGUAGES} for code in ("2639", "1F600")
    ]
    assert found[0].picture == square(0)
    assert (found[0].category, found[0].kind) == ("Smileys & Emotion", "face")


def test_captions_are_rows_of_a_parquet_file(files, tmp_path):
    captions(files, tmp_path / "emoji.parquet", unheard)
    rows = pq.read_table(tmp_path / "emoji.parquet").to_pylist()
    assert rows[1] == {
        "image": square(1),
        "text": "grinning face",
        "label": "Smileys & Emotion",
        "de": "grinsendes Gesicht",
        "fr": "visage rieur",
        "zh": "嘿嘿",
        "kind": "face",
        "code": "1F600",
    }
    assert len(rows) == 2


def test_packages_that_do_not_fit_each_other_are_refused(files, tmp_path):
    names = {f"package/{language}/data.json": "[]" for language in LANGUAGES}
    with pytest.raises(DataError, match=r"pictures.tgz and none.tgz have no emoji in common"):
        emoji([files[0], tarball(tmp_path / "none.tgz", names)])


@pytest.mark.data
def test_the_real_pictures_hold_what_the_documents_say(needed):
    table = pq.read_table(needed("emoji"))
    assert table.num_rows == 1911
    rows = table.to_pylist()
    assert len({row["code"] for row in rows}) == 1911
    assert all(row[column].strip() for row in rows for column in ("text", "label", "de", "fr", "zh"))
    sizes = {Image.open(io.BytesIO(row["image"])).size for row in rows}
    assert sizes == {(64, 64)}
    called = {row["code"]: (row["text"], row["de"], row["fr"]) for row in rows}
    assert called["1F600"] == ("grinning face", "grinsendes Gesicht", "visage rieur")
