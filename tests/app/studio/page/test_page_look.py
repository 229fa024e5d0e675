"""The room Look in detail: the map by pointer and wheel, sinks, pictures, two side by side."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from tests.app.studio.page.faked_answers import SOURCE

pytestmark = pytest.mark.browser


@pytest.fixture
def looked(open_studio):
    opened = open_studio()
    opened.room("look").locator("textarea").first.fill(SOURCE)
    opened.room("look").locator("form [type=submit]").click()
    expect(opened.room("look").locator(".map .scale")).to_contain_text("100 %")
    return opened


def colour(opened, x, y):
    """The map's colour at shares of its side."""
    opened.settle()
    return opened.page.evaluate(
        """([x, y]) => {
            const canvas = document.querySelector(".map canvas");
            const copy = Object.assign(document.createElement("canvas"), {width: 1, height: 1});
            const pen = copy.getContext("2d", {willReadFrequently: true});
            pen.drawImage(canvas, x * canvas.width, y * canvas.height, 1, 1, 0, 0, 1, 1);
            const at = pen.getImageData(0, 0, 1, 1).data;
            return Array.from(at.slice(0, 3));
        }""",
        [x, y],
    )


def test_the_map_is_coloured_by_weight(looked):
    """L0 H3 gives .75 to the first key, .25 to the query itself: sqrt(.75) = .87 and sqrt(.25) = .5 of the way."""
    first, own, other = colour(looked, 0.04, 0.96), colour(looked, 0.96, 0.96), colour(looked, 0.5, 0.96)
    assert other == [255, 255, 255]
    assert own == pytest.approx([242, 160, 68], abs=3)  # --map2, the middle of the ramp
    assert sum(first) < sum(own) < sum(other)


def test_the_map_by_pointer_and_wheel(looked):
    canvas = looked.page.locator(".map canvas")
    box = canvas.bounding_box()
    canvas.hover(position={"x": box["width"] * 0.04, "y": box["height"] * 0.96})
    assert re.match(r"query 11 “\.” → key 0 “\[CLS\]”: 7[0-9] % of its weight", looked.text(".status"))
    canvas.click(position={"x": box["width"] * 0.5, "y": box["height"] * 0.3})
    expect(looked.page.locator(".reads h3")).to_contain_text("“is” unit 3")  # .3 · 12 = 3.6
    looked.page.mouse.wheel(0, -300)
    expect(looked.page.locator(".map .inset")).to_have_count(0)  # alone the wheel scrolls the page
    looked.page.keyboard.down("Control")
    canvas.hover(position={"x": box["width"] * 0.1, "y": box["height"] * 0.1})
    for _ in range(4):
        looked.page.mouse.wheel(0, -300)
    looked.page.keyboard.up("Control")
    expect(looked.page.locator(".map .inset")).to_be_visible()
    expect(looked.page.locator(".map .legend").last).to_have_text("Queries 0–5 down, keys 0–5 across.")  # .8^4 = .41
    box = canvas.bounding_box()
    looked.page.mouse.move(box["x"] + 200, box["y"] + 200)
    looked.page.mouse.down()
    looked.page.mouse.move(box["x"] + 20, box["y"] + 20, steps=4)
    looked.page.mouse.up()
    expect(looked.page.locator(".map .legend").last).not_to_have_text("Queries 0–5 down, keys 0–5 across.")
    looked.page.get_by_role("button", name="Whole").click()
    expect(looked.page.locator(".map .legend").last).to_have_text("Queries 0–11 down, keys 0–11 across.")


def test_sinks_are_hidden_on_wish_and_said(looked):
    room = looked.room("look")
    assert "1 sink: “[CLS]”; 30 % of all attention" in looked.text(".switch")
    before = colour(looked, 0.06, 0.93)
    room.get_by_label("Hide sinks").check()
    expect(room.locator(".switch")).to_contain_text("hiding 1 sink: “[CLS]”; 30 % of all attention are not shown")
    expect(room.locator(".u.sink")).to_have_text(["[CLS]"])
    expect(room.locator(".map .scale")).to_contain_text("25 %")  # what is left of the heaviest
    assert sum(colour(looked, 0.06, 0.93)) > sum(before)
    room.get_by_label("Hide sinks").uncheck()
    expect(room.locator(".u.sink")).to_have_count(0)


def test_one_heads_mass(looked):
    """Under L0 H0 each unit reads itself alone: all units receive the same."""
    room = looked.room("look")
    room.locator(".heads li[role=option]").filter(has=looked.page.get_by_text("L0 H0", exact=True)).click()
    room.locator("input[name=a-scope][value=head]").check()
    room.locator("input[name=a-scale][value=linear]").check()
    expect(room.locator(".u.m15")).to_have_count(12)


def test_orders_of_the_list(looked):
    room = looked.room("look")
    room.get_by_label("Order").select_option("breadth")
    assert room.locator(".heads li b").all_inner_texts()[:2] == ["L0 H2", "L1 H2"]  # all 12 keys alike
    room.get_by_label("Order").select_option("layer")
    assert room.locator(".heads li b").all_inner_texts()[:2] == ["L0 H0", "L0 H1"]


def test_two_inputs_side_by_side(looked):
    room = looked.room("look")
    room.get_by_text("More", exact=True).click()
    room.get_by_label("Side by side with").select_option("input")
    room.locator(".second textarea").fill("The plot is wonderful.")
    room.get_by_role("button", name="Look at both").click()
    expect(room.locator(".beside .map")).to_have_count(2)
    assert looked.studio.asked[-1] == (
        "compare",
        {"subject": "run1", "inputs": [{"text": SOURCE}, {"text": "The plot is wonderful."}]},
    )
    expect(room.locator(".changes")).to_contain_text("0 H1")
    expect(room.locator(".changes")).to_contain_text("40 %")
    second = room.locator(".beside > *").nth(1)
    second.locator(".heads li[role=option]").nth(2).click()
    expect(second.locator(".map h3")).to_have_text("Map of L0 H2")
    expect(room.locator(".map h3").first).to_have_text("Map of L0 H3")  # each side has a choice of its own
    assert looked.wider() == [0, []]
    assert looked.serious() == []


def test_two_models_side_by_side(looked):
    room = looked.room("look")
    room.get_by_text("More", exact=True).click()
    room.get_by_label("Side by side with").select_option("model")
    room.get_by_label("Second run or model").select_option("model1")
    room.get_by_role("button", name="Look at both").click()
    expect(room.locator(".beside .map")).to_have_count(2)
    assert looked.studio.asked[-1] == ("compare", {"subjects": ["run1", "model1"], "text": SOURCE})


def test_a_picture_with_its_patches(open_studio):
    opened = open_studio()
    room = opened.room("look")
    room.locator("select").first.select_option("run2")
    room.get_by_role("button", name="Choose …").click()
    chooser = opened.page.locator("dialog.chooser")
    chooser.get_by_text("data", exact=True).click()
    chooser.get_by_text("digit.png").click()
    room.locator("form [type=submit]").click()
    canvas = room.locator(".picture canvas")
    expect(canvas).to_be_visible()
    assert opened.studio.asked[-1] == ("look", {"subject": "run2", "file": "/data/digit.png", "row": 1})
    canvas.focus()
    for key in ("Home", "ArrowRight", "ArrowDown"):  # patch 0 is unit 1; to the right, and four patches on
        opened.page.keyboard.press(key)
    expect(room.locator(".reads h3")).to_contain_text("“1,1” unit 6")
    assert "3 rows of 4 patches" in canvas.get_attribute("aria-label")
    assert opened.serious() == []


def test_the_budget_of_a_transformer_run(looked):
    room = looked.room("look")
    room.get_by_text("More", exact=True).click()
    room.locator("input[type=range]").focus()
    for _ in range(10):
        looked.page.keyboard.press("ArrowLeft")
    room.locator("form [type=submit]").click()
    expect(room.locator("form [type=submit]")).to_be_enabled()
    assert looked.studio.asked[-1][1]["budget"] == pytest.approx(0.5)
