"""Each room of the studio walked through in a real browser, narrow and wide, light and dark: what it shows, that it
fits, that axe-core finds nothing serious. Networks are cut and the console stays silent (see conftest)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect
from tests.app.studio.page.faked_answers import SOURCE

pytestmark = pytest.mark.browser

PICTURES = Path(__file__).parents[4] / ".artefacts" / "studio"  # for looking at; git ignores them
VIEWS = [(1280, False), (1280, True), (390, False), (390, True)]
views = pytest.mark.parametrize(("width", "dark"), VIEWS, ids=[f"{w}-{'dark' if d else 'light'}" for w, d in VIEWS])


def seen(opened, name, width, dark):
    """The room fits its window, has no serious finding, and its picture is kept."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    opened.settle()
    opened.page.screenshot(path=PICTURES / f"{name}-{width}-{'dark' if dark else 'light'}.png", full_page=True)
    assert opened.wider() == [0, []]
    assert opened.serious() == []


def ask(opened, room, text=SOURCE):
    form = opened.room(room)
    form.locator("textarea").first.fill(text)
    form.locator("form [type=submit]").click()


@views
def test_look(open_studio, width, dark):
    opened = open_studio(width=width, dark=dark)
    ask(opened, "look")
    room = opened.room("look")
    expect(room.locator(".answer")).to_contain_text("films 12 tokens · 2 layers · 8 heads answers positive (0.91)")
    assert room.locator(".heads li[role=option] b").all_inner_texts()[:3] == ["L0 H3", "L1 H3", "L0 H2"]
    assert room.locator(".text").inner_text().replace("\n", " ") == f"[CLS]{SOURCE}"
    room.locator(".text .u").nth(3).click()
    expect(room.locator(".reads")).to_contain_text("“is” unit 3, seen by L0 H3")
    expect(room.locator(".reads")).to_contain_text("receives 0.25 (2.1 % of all)")
    assert [chip.split() for chip in room.locator(".reads .chips").first.locator("button").all_inner_texts()] == [
        ["[CLS]", "75", "%"],
        ["is", "25", "%"],
    ]
    expect(room.locator(".map .scale")).to_contain_text("100 %")  # the first unit reads itself alone
    assert room.locator(".scatter circle[role=option]").count() == 8
    seen(opened, "look", width, dark)
    assert opened.studio.asked == [("look", {"subject": "run1", "text": SOURCE})]


@views
def test_why(open_studio, width, dark):
    opened = open_studio(width=width, dark=dark)
    opened.enter("why")
    ask(opened, "why")
    room = opened.room("why")
    expect(room.locator(".answer")).to_contain_text("Answer positive probability 91 %")
    expect(room.locator(".answer")).to_contain_text("Most faithful here, by measurement: occlusion.")
    card = room.locator(".card").first
    assert card.locator("h3").inner_text().split() == ["occlusion", "most", "faithful"]
    rows = [row.split("\n")[0] for row in card.locator(".heaviest li").all_inner_texts()]
    assert rows[:2] == ["wonderful", "thin"]
    assert card.locator(".u.n12, .u.n11, .u.m15").all_inner_texts() == ["thin", "wonderful"]  # against, and for
    evidence = card.locator(".evidence tbody tr").first
    expect(evidence).to_contain_text("0.41 [0.36, 0.46]")
    assert evidence.locator("td").all_inner_texts()[2:] == ["0.08", "0.1", "-0.02", "200"]  # random, position, reverse
    assert room.locator(".card").count() == 2
    seen(opened, "why", width, dark)


@views
def test_spend(open_studio, width, dark):
    opened = open_studio(width=width, dark=dark)
    opened.enter("spend")
    ask(opened, "spend")
    room = opened.room("spend")
    slider = room.locator("#budget")
    expect(slider).to_be_visible()
    numbers = room.locator(".numbers")
    assert "0 of the output" in numbers.inner_text().replace("\n", " ")
    slider.focus()
    opened.page.keyboard.press("Home")  # 5 %: .02 / .05 = .4 of error, 20 ms · .05 = 1 ms
    expect(numbers).to_contain_text("negative (0.55) another than without a budget")
    expect(numbers).to_contain_text("0.4")
    expect(numbers).to_contain_text("1.00 ms")
    expect(numbers).to_contain_text("(× 0.05)")
    assert slider.get_attribute("aria-valuetext") == "5.0 %: negative (0.55)"
    opened.page.keyboard.press("ArrowRight")
    opened.page.keyboard.press("ArrowRight")  # 15 %
    expect(numbers).to_contain_text("positive (0.91) as without a budget")
    room.get_by_text("share read", exact=True).click()
    expect(room.locator(".heads-grid .scale")).to_contain_text("share of its keys that a head reads")
    seen(opened, "spend", width, dark)


@views
def test_train(open_studio, width, dark):
    opened = open_studio(width=width, dark=dark)
    opened.enter("train")
    room = opened.room("train")
    room.get_by_label("Name of the run").fill("films-new")
    room.get_by_text("Settings (2)").click()
    room.locator(".setting input").first.fill("3")
    room.locator("form [type=submit]").click()
    expect(room.locator(".watched .figures caption")).to_contain_text("Scores on rows that training never saw")
    kind, body = opened.studio.asked[-1]
    assert kind == "train"
    assert body["settings"] == {"train.epochs": 3}
    assert (body["task"], body["folder"], body["preset"], body["data"]) == ("sentiment", "films-new", None, None)
    assert (
        room.locator(".watched .chart").first.locator("canvas").get_attribute("aria-label").startswith("Loss by step")
    )
    expect(room.locator(".attention")).to_contain_text("Attention to your text at step 500")
    for box in room.locator(".tick input").all()[:2]:
        box.check()
    canvas = room.locator(".compared canvas")  # .3 + .4 · exp(-2.5) + .05 at the end; the other run .1 above
    expect(canvas).to_have_attribute("aria-label", re.compile("films-a: 0.662 → 0.383; films-b: 0.762 → 0.483$"))
    seen(opened, "train", width, dark)


@views
def test_learn(open_studio, width, dark):
    opened = open_studio(width=width, dark=dark)
    opened.enter("learn")
    room = opened.room("learn")
    sheets = room.locator(".sheet")
    expect(sheets).to_have_count(7)
    assert "0.500 0.500 1.000" in " ".join(sheets.nth(4).inner_text().split())  # weights, and their sum
    expect(room.locator(".drawn")).to_contain_text("47 of 576 pairs may attend (8.2 %).")
    room.get_by_label("Queries", exact=True).fill("8")
    expect(room.locator(".drawn")).to_contain_text("15 of 192 pairs may attend")
    room.get_by_role("button", name="Prefix(6)").click()
    expect(room.get_by_role("textbox", name="Mask").first).to_have_value(
        "Causal() & (Window(3, 0) | Sinks(2)) & Prefix(6)"
    )
    expect(room.locator(".drawn code").first).to_contain_text("Prefix(6)")
    plan = room.get_by_role("region", name="Every kernel")
    assert plan.locator("tr.on").inner_text().split()[:2] == ["windowed", "runs"]
    expect(plan).to_contain_text("no compiler here")
    seen(opened, "learn", width, dark)


def test_nothing_is_lost_between_rooms(open_studio):
    opened = open_studio()
    ask(opened, "look")
    look = opened.room("look")
    look.locator(".heads li[role=option]").nth(3).click()
    title = look.locator(".map h3").inner_text()
    opened.enter("why")
    assert opened.room("why").locator("textarea").first.input_value() == SOURCE  # the same input stands ready
    opened.enter("learn")
    opened.page.go_back()
    opened.page.go_back()
    expect(look.locator(".map h3")).to_have_text(title)
    assert look.locator("textarea").first.input_value() == SOURCE
    assert opened.studio.asked == [("look", {"subject": "run1", "text": SOURCE})]  # nothing was asked again
