"""What is shown can be taken away: as HTML, PNG, JSON, and as a command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect
from tests.app.studio.page.faked_answers import SOURCE

pytestmark = pytest.mark.browser


def saved(opened, room, button, place=0):
    with opened.page.expect_download() as found:
        opened.room(room).locator(".save").nth(place).get_by_role("button", name=button, exact=True).click()
    return found.value


@pytest.fixture
def looked(open_studio):
    opened = open_studio()
    opened.room("look").locator("textarea").first.fill(SOURCE)
    opened.room("look").locator("form [type=submit]").click()
    expect(opened.room("look").locator(".map .scale")).to_contain_text("100 %")
    return opened


def test_a_job_is_saved_by_the_server(looked):
    for button, name in (("HTML", "regard-look.html"), ("JSON", "regard-look.json")):
        file = saved(looked, "look", button)
        assert file.suggested_filename == name
        assert json.loads(Path(file.path()).read_bytes()) == {"saved": "job0", "as": button.lower()}


def test_the_map_is_saved_as_a_picture(looked):
    file = saved(looked, "look", "PNG")
    assert file.suggested_filename == "regard-look.png"
    with Image.open(file.path()) as picture:
        assert picture.size[0] == picture.size[1] >= 200
        assert len(picture.convert("RGB").getcolors(maxcolors=1 << 20)) > 3


def test_the_command_line_is_copied(looked):
    looked.context.grant_permissions(["clipboard-read", "clipboard-write"])
    looked.room("look").get_by_role("button", name="Copy").click()
    expect(looked.room("look").get_by_role("button", name="Copied")).to_be_visible()
    assert looked.page.evaluate("navigator.clipboard.readText()") == "regard look --text ..."


def test_a_lesson_is_saved_by_the_page_itself(open_studio, chromium):
    opened = open_studio()
    opened.enter("learn")
    expect(opened.room("learn").locator(".drawn")).to_be_visible()
    mask = json.loads(Path(saved(opened, "learn", "JSON", 1).path()).read_bytes())
    assert mask["allowed"] == 47
    with Image.open(saved(opened, "learn", "PNG", 1).path()) as picture:
        assert picture.size[0] >= 200
    html = Path(saved(opened, "learn", "HTML", 1).path()).read_text(encoding="utf-8")
    assert "<script" not in html
    assert "http://" not in html
    context = chromium.new_context(offline=True, java_script_enabled=False)
    page = context.new_page()
    page.set_content(html)
    assert "47 of 576 pairs may attend" in page.locator("body").inner_text()
    assert page.locator("img").count() == 1
    assert page.locator("button, input").count() == 0
    context.close()


def test_runs_that_are_compared_are_saved(open_studio):
    opened = open_studio()
    opened.enter("train")
    opened.room("train").locator(".tick input").first.check()
    expect(opened.room("train").locator(".compared .save")).to_be_visible()
    told = json.loads(Path(saved(opened, "train", "JSON").path()).read_bytes())
    assert [run["name"] for run in told] == ["films-a"]
    with Image.open(saved(opened, "train", "PNG").path()) as picture:
        assert picture.size[0] >= 200
