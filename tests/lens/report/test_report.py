import base64
import io
import re

import pytest
import torch
from PIL import Image
from tests.lens.report import unpack
from tests.lens.report.synthetic import causal_layer, large_trace, patch_trace

from regard.lens.report import report
from regard.lens.report.picture import SIDE, addresses
from regard.lens.trace import Trace
from regard.lens.units import Units
from regard.spec.errors import DataError, MissingExtraError, RunError, ShapeError

TINY = Trace("tiny", (causal_layer("only", torch.ones(1, 1, 1, 1, dtype=torch.float64)),), (Units(("a",), "token"),))


def test_one_file_and_its_path(tmp_path):
    path = report(TINY, str(tmp_path / "r.html"))
    assert path == tmp_path / "r.html"
    assert [each.name for each in tmp_path.iterdir()] == ["r.html"]
    source = path.read_text("utf-8")
    assert unpack.index(source)["title"] == "tiny"
    assert "<title>tiny</title>" in source
    assert unpack.index(report(TINY, path, title="A < B").read_text("utf-8"))["title"] == "A < B"
    assert "<title>A &lt; B</title>" in path.read_text("utf-8")


def test_the_same_trace_gives_the_same_bytes(tmp_path):
    first = report(large_trace(50, 2, 2), tmp_path / "a.html").read_bytes()
    assert report(large_trace(50, 2, 2), tmp_path / "b.html").read_bytes() == first


@pytest.mark.parametrize("where", ["missing/r.html", "."])
def test_a_path_that_cannot_be_written_is_one_line(tmp_path, where):
    with pytest.raises(RunError) as caught:
        report(TINY, tmp_path / where)
    assert "\n" not in str(caught.value)
    assert str(tmp_path / where) in str(caught.value)
    assert "choose a folder that you may write to" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_what_was_there_stays_when_writing_fails(tmp_path, monkeypatch):
    path = report(TINY, tmp_path / "r.html")
    before = path.read_bytes()

    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RunError, match="the disk is full"):
        report(large_trace(50, 1, 1), path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["r.html"]


def test_a_picture_lies_in_the_page(tmp_path):
    big = Image.new("RGBA", (2000, 1000), (200, 30, 30, 255))
    source = report(patch_trace(2, 4, layers=1), tmp_path / "r.html", image=big).read_text("utf-8")
    address = unpack.index(source)["items"][0]["image"]
    shown = Image.open(io.BytesIO(base64.b64decode(re.fullmatch(r"data:image/jpeg;base64,(.*)", address)[1])))
    assert shown.size == (SIDE, SIDE // 2)
    red, green, _ = shown.getpixel((5, 5))
    assert red > 180
    assert green < 60


def test_pictures_are_one_for_each_input(tmp_path):
    picture = Image.new("RGB", (8, 8))
    file = tmp_path / "p.png"
    picture.save(file)
    assert len(addresses([picture, file], 2)) == 2
    assert addresses(None, 3) == (None, None, None)
    with pytest.raises(ShapeError, match="1 pictures for 2 inputs"):
        addresses(file, 2)


def test_what_is_no_picture_is_said(tmp_path):
    (tmp_path / "p.png").write_text("no picture")
    with pytest.raises(DataError, match=r"p\.png cannot be read as a picture \(it is none, or cut short\)"):
        addresses(tmp_path / "p.png", 1)
    with pytest.raises(DataError, match="No such file"):
        addresses(tmp_path / "q.png", 1)


def test_without_pillow_the_message_names_the_install_command(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'regard\[transformers\]'"):
        addresses("p.png", 1)
