"""The page on the real studio: a small run that was trained by the command itself is looked at, explained, put on a
budget; another is trained; every command line that the page shows is one that regard knows."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect
from tests.app.studio.page.opened import Opened

pytestmark = [pytest.mark.browser, pytest.mark.slow]

EXAMPLES = Path(__file__).parents[4] / "examples"
TEXT = "The food was wonderful and the waiter friendly, but the room was cold."
LONG = 120_000  # milliseconds


@pytest.fixture(scope="module")
def served(trained, tmp_path_factory):
    """A studio as a process of its own, on the folder of the small run and the examples."""
    folder = tmp_path_factory.mktemp("studio")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "regard", "studio", str(folder), str(trained.parent), str(EXAMPLES), "--no-browser"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    line = process.stdout.readline()
    address = re.search(r"http://127\.0\.0\.1:\d+/#token=\S+", line)
    assert address, line
    yield address[0]
    process.terminate()
    process.wait(timeout=20)
    process.stdout.close()


@pytest.fixture
def opened(chromium, served):
    made = Opened(chromium, served).ready()
    yield made
    made.close()
    assert made.asked == []
    assert made.errors == []


def ask(opened, room):
    opened.enter(room)
    opened.room(room).locator("textarea").first.fill(TEXT)
    opened.room(room).locator("form [type=submit]").click()
    expect(opened.room(room).locator(".result > .save")).to_be_visible(timeout=LONG)
    expect(opened.room(room).locator(".trouble")).to_have_count(0)
    line = opened.room(room).locator(".command code").first.inner_text()
    assert "regard" in shlex.split(line, comments=True), line


def test_look(opened):
    ask(opened, "look")
    room = opened.room("look")
    shown = room.locator(".text").first.inner_text()
    assert re.findall(r"\w+", shown.lower()) == re.findall(r"\w+", TEXT.lower())
    expect(room.locator(".map .scale")).to_contain_text("%")
    room.locator(".text .u").first.click()
    expect(room.locator(".reads .legend").first).to_contain_text("receives")
    assert opened.wider() == [0, []]
    assert opened.serious() == []


def test_why(opened):
    ask(opened, "why")
    room = opened.room("why")
    expect(room.locator(".answer")).to_contain_text("probability")
    assert room.locator(".card").count() >= 1
    assert room.locator(".evidence tbody tr").count() >= 1
    assert opened.wider() == [0, []]
    assert opened.serious() == []


def test_learn(opened):
    opened.enter("learn")
    room = opened.room("learn")
    expect(room.locator(".sheet")).to_have_count(5)  # x = q = k = v, scores, weights, context, output
    expect(room.locator(".drawn")).to_contain_text("129 of 576 pairs may attend (22 %).")
    expect(room.get_by_role("region", name="Every kernel").locator("tr.on")).to_have_count(1)
    room.get_by_role("button", name="cat, dog, pig").click()
    expect(room.locator(".sheet").nth(2)).to_contain_text("0.386")  # the cat's weight on itself


def test_train_lists_the_run_beside_its_baselines(opened):
    opened.enter("train")
    room = opened.room("train")
    expect(room.locator(".runs tbody tr")).to_have_count(1)
    expect(room.locator(".runs")).to_contain_text("classify")
    room.locator(".tick input").check()
    expect(room.locator(".compared .figures caption").last).to_contain_text("Scores on rows")
    expect(room.locator(".compared canvas")).to_have_attribute("aria-label", re.compile(r"\d"))


def test_a_training_is_started_watched_stopped_and_goes_on(opened):
    opened.enter("train")
    room = opened.room("train")
    room.locator("select").first.select_option("classify")
    room.get_by_role("button", name="Choose …").click()
    chooser = opened.page.locator("dialog.chooser")
    chooser.get_by_text(EXAMPLES.name, exact=True).click()
    expect(chooser.locator(".path code")).to_have_text(str(EXAMPLES))
    chooser.get_by_label("Only names with").fill("reviews.csv")
    opened.page.keyboard.press("Enter")
    room.get_by_label("Column that holds the text").fill("review")
    room.get_by_label("Column that holds the label").fill("verdict")
    room.get_by_label("Name of the run").fill("mine")
    room.get_by_label("A text to watch attention on").fill("The food was wonderful.")
    room.locator("details.more summary").click()
    for path, value in (("train.epochs", "400"), ("train.batch", "16"), ("core.dim", "16"), ("core.hidden", "16")):
        room.locator("label.setting").filter(has=opened.page.get_by_text(path, exact=True)).locator("input").fill(value)
    room.locator("form [type=submit]").click()
    expect(room.locator(".watched canvas").first).to_be_visible(timeout=LONG)
    expect(room.locator(".attention")).to_contain_text("Attention to your text at step", timeout=LONG)
    room.get_by_role("button", name="Stop").click()
    expect(room.locator(".runs tbody tr").filter(has_text="mine")).to_contain_text("stopped", timeout=LONG)
    room.get_by_role("button", name="Go on").click()
    expect(room.locator(".progress")).to_be_visible()
    room.get_by_role("button", name="Stop").click()
    expect(room.locator(".progress")).to_have_count(0, timeout=LONG)
    expect(room.locator(".trouble")).to_have_count(0)
