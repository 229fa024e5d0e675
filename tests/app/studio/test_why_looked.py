"""Where a run looked, without evidence; and the picture under an explanation."""

import base64
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from regard.app.studio import why_folder
from regard.app.studio.inputs import Input
from regard.app.studio.subjects import Found
from regard.app.studio.typed import explain_line
from regard.app.studio.why_looked import looked_at, picture_of
from regard.bridges.transformers_folder import ModelFolder
from regard.tasks.explained import Explained, Weighed


@pytest.fixture
def explained():
    return Explained("C4", (Weighed("A4", 0.75), Weighed("B4", 0.25)), "note", "the last attention's")


def test_nothing_that_was_not_measured_is_called_the_best(explained):
    told = looked_at(explained, "a run of music writes its answer")
    (one,) = told["explanations"]
    assert (told["best"], one["chosen"], one["seconds"], one["evidence"]) == (None, False, None, None)
    assert one["weights"] == [0.75, 0.25]
    assert "was not measured: a run of music writes its answer" in told["note"]


def test_a_page_is_only_promised_where_there_is_one(explained):
    told = looked_at(explained, "so")
    assert told["page"] is False
    found = Found("a", "run", Path("/runs/tunes"), "symbols", False, (), ())
    given = Input(file="/data/tunes.jsonl", row=2)
    assert (
        explain_line(found, given, html=told["page"]) == "regard explain /runs/tunes --data /data/tunes.jsonl --row 2"
    )
    assert explain_line(found, given).endswith("--row 2 --html page.html")


def test_a_picture_lies_under_the_patches(studio, root, monkeypatch):
    """As the model saw it: the vision model of the tests has no head that answers, so that it stands in for one."""
    Image.new("RGB", (24, 24), (200, 30, 30)).save(root / "red.png")
    place = ModelFolder.of(root / "models" / "vit")
    monkeypatch.setattr(why_folder, "seeing", lambda desk, found: (place.image_processor(), place.model()))
    found = next(one for one in studio.subjects.all() if one.name == "vit")
    address = picture_of(studio.desk, found, Input(file=str(root / "red.png")))
    seen = Image.open(BytesIO(base64.b64decode(address.removeprefix("data:image/png;base64,"))))
    assert seen.getpixel((1, 1))[0] > 150 > seen.getpixel((1, 1))[1]


def test_a_text_has_none(finished, subjects):
    given = {"subject": subjects["reviews"], "text": "Very good cake.", "methods": ["occlusion"]}
    assert finished("why", **given)["result"]["picture"] is None
