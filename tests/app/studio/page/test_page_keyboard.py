"""The studio by keyboard alone: every room is reached and used without a pointer, and the focus is always seen."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from tests.app.studio.page.faked_answers import SOURCE

pytestmark = pytest.mark.browser


def tab_to(opened, name, *, most=60):
    """Presses Tab until an element of that name has the focus; every stop on the way shows a ring."""
    for _ in range(most):
        opened.page.keyboard.press("Tab")
        _, found, ring = opened.focused()
        assert ring, found
        if found.startswith(name):
            return
    pytest.fail(f"no {name!r} within {most} tabs")


def start(opened, room):
    opened.page.keyboard.press("Tab")
    assert opened.focused()[1] == "Skip to the content"
    if room != "Look":
        tab_to(opened, room)
        opened.page.keyboard.press("Enter")


def test_skip_link_goes_to_the_content(open_studio):
    opened = open_studio()
    start(opened, "Look")
    opened.page.keyboard.press("Enter")
    assert opened.page.evaluate("document.activeElement.id") == "main"


def test_look_by_keyboard(open_studio):
    opened = open_studio()
    start(opened, "Look")
    tab_to(opened, "Your text")
    opened.page.keyboard.type(SOURCE)
    tab_to(opened, "Look")
    opened.page.keyboard.press("Enter")
    room = opened.room("look")
    expect(room.locator(".map h3")).to_have_text("Map of L0 H3")
    tab_to(opened, "Heads; arrow keys choose one")
    for key, name in (("ArrowDown", "L1 H3"), ("End", "L1 H0"), ("ArrowUp", "L0 H0"), ("Home", "L0 H3")):
        opened.page.keyboard.press(key)
        expect(room.locator(".map h3")).to_have_text(f"Map of {name}")
    assert room.locator(".heads ul").get_attribute("aria-activedescendant") == "a-head0"
    tab_to(opened, "Units, shaded")
    for _ in range(4):
        opened.page.keyboard.press("ArrowRight")
    expect(room.locator(".reads h3")).to_contain_text("“is” unit 3")
    tab_to(opened, "Map of L0 H3: queries down")
    opened.page.keyboard.press("+")
    expect(room.locator(".map .inset")).to_be_visible()
    opened.page.keyboard.press("0")
    opened.page.keyboard.press("Home")  # no key of the map's: nothing happens
    for _ in range(3):
        opened.page.keyboard.press("Shift+ArrowUp")
    assert opened.text(".status").startswith("query 1 “The”")  # from the middle (.5) up by 3/8: .125 of 12 units
    opened.page.keyboard.press("Enter")
    expect(room.locator(".reads h3")).to_contain_text("“The” unit 1")
    tab_to(opened, "Heads by breadth")
    opened.page.keyboard.press("Home")
    expect(room.locator(".map h3")).to_have_text("Map of L0 H1")  # breadth 1 and the smallest rank among equals


def test_why_by_keyboard(open_studio):
    opened = open_studio()
    start(opened, "Why")
    tab_to(opened, "Your text")
    opened.page.keyboard.type(SOURCE)
    tab_to(opened, "Method: the best")
    opened.page.keyboard.press("Enter")
    tab_to(opened, "gradient What gradient sees.")
    opened.page.keyboard.press("Space")
    tab_to(opened, "Explain")
    opened.page.keyboard.press("Enter")
    expect(opened.room("why").locator(".card h3")).to_have_text(["gradient most faithful"])
    assert opened.studio.asked[-1][1]["methods"] == ["gradient"]
    tab_to(opened, "Units, shaded by what they weigh by gradient")
    opened.page.keyboard.press("End")
    assert opened.text(".status").startswith("token 11 “.”: 0.03")


def test_spend_by_keyboard(open_studio):
    opened = open_studio()
    start(opened, "Spend")
    tab_to(opened, "Your text")
    opened.page.keyboard.type(SOURCE)
    tab_to(opened, "Measure budgets")
    opened.page.keyboard.press("Enter")
    room = opened.room("spend")
    expect(room.locator("#budget")).to_be_visible()
    tab_to(opened, "Budget, from the smallest")
    opened.page.keyboard.press("Home")
    expect(room.locator(".numbers")).to_contain_text("negative (0.55)")
    tab_to(opened, "2 layers down, 4 heads across")
    opened.page.keyboard.press("ArrowRight")
    assert opened.text(".status").startswith("L0 H1: breadth 1.0, distance 0.92, share read 4.2 %")


def test_train_by_keyboard(open_studio):
    opened = open_studio()
    start(opened, "Train")
    expect(opened.room("train").locator("form")).to_be_visible()
    tab_to(opened, "Name of the run")
    opened.page.keyboard.type("mine")
    tab_to(opened, "Start")
    opened.page.keyboard.press("Enter")
    room = opened.room("train")
    expect(room.locator(".watched .figures").last).to_contain_text("this run")
    tab_to(opened, "Checkpoint")
    opened.page.keyboard.press("Home")
    expect(room.locator(".attention h4")).to_have_text("Attention to your text at step 100")
    tab_to(opened, "films-a")
    opened.page.keyboard.press("Space")
    expect(room.locator(".compared h4")).to_be_visible()
    tab_to(opened, "Go on")
    with opened.page.expect_response("**/api/jobs/train"):
        opened.page.keyboard.press("Enter")
    assert opened.studio.asked[-1][1] == {  # all that was asked when the run was begun
        "task": "sentiment",
        "preset": "transformer",
        "data": None,
        "columns": {"text": "review"},
        "settings": {"data.test_rows": 0.2, "core.dim": 64, "train.epochs": 10, "train.patience": None},
        "folder": "/data/films-c",
    }


def test_learn_by_keyboard(open_studio):
    opened = open_studio()
    start(opened, "Learn")
    tab_to(opened, "Take the steps")
    opened.page.keyboard.press("Enter")
    tab_to(opened, "Mask")
    opened.page.keyboard.press("End")
    opened.page.keyboard.type(" | Prefix(3)")
    room = opened.room("learn")
    expect(room.locator(".drawn code").first).to_contain_text("| Prefix(3)")
    tab_to(opened, "Mask of 24 queries and 24 keys")
    opened.page.keyboard.press("ArrowRight")
    assert opened.text(".status").startswith("query 0, key 1: may not")
    opened.page.keyboard.press("ArrowDown")
    assert opened.text(".status").startswith("query 1, key 1: may attend")
    tab_to(opened, "Plan")
    opened.page.keyboard.press("Enter")
    expect(room.get_by_text("Would run: windowed")).to_be_visible()


def test_the_chooser_by_keyboard(open_studio):
    opened = open_studio()
    room = opened.room("look")
    room.get_by_text("file", exact=True).click()
    room.get_by_role("button", name="Choose …").focus()
    opened.page.keyboard.press("Enter")
    chooser = opened.page.locator("dialog.chooser")
    expect(chooser.locator("[role=listbox]")).to_be_focused()
    opened.page.keyboard.press("ArrowDown")
    opened.page.keyboard.press("Enter")  # into the folder
    expect(chooser.locator(".path code")).to_have_text("/data")
    assert chooser.locator("li[role=option] b").all_inner_texts() == ["films", "digit.png", "story.txt"]
    expect(chooser.locator("[role=listbox]")).to_be_focused()
    opened.page.keyboard.press("End")
    opened.page.keyboard.press("Enter")
    expect(chooser).to_have_count(0)
    expect(room.locator(".chosen-path")).to_have_text("story.txt")
    assert opened.serious() == []
