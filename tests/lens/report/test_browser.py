"""The report in a real browser with the network cut: the page as a whole."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect
from tests.lens.report.browsing import SINK, SINK_SHARE
from tests.lens.report.synthetic import cross_trace, large_trace, patch_trace

from regard.lens.units import Units

pytestmark = pytest.mark.browser

PICTURES = Path(__file__).parents[3] / ".artefacts" / "report"  # for looking at; git ignores them


def picture(opened, name):
    PICTURES.mkdir(parents=True, exist_ok=True)
    opened.page.screenshot(path=PICTURES / f"{name}.png")


def test_heads_come_first_and_in_the_traces_order(open_report):
    trace = large_trace(300, 3, 4)
    opened = open_report(trace, title="A title")
    assert opened.text("h1") == "A title"
    assert opened.text(".bar .name p") == "synthetic decoder · 300 tokens · 3 layers · 12 heads"
    shown = opened.page.locator(".heads li[role=option] b").all_inner_texts()
    assert shown == [f"L{each.layer.split('.')[2]} H{each.head}" for each in trace.heads()]
    first = trace.heads()[0]
    assert opened.page.locator(".heads .why").first.inner_text() == "; ".join(first.reasons)
    assert opened.text(".heads .legend") == trace.heads().note
    assert opened.page.locator("section, main > *").first.get_attribute("aria-label") == "Heads"
    assert "not why it answers" in opened.text(".notes")
    opened.page.get_by_label("Order").select_option("breadth")
    by_breadth = sorted(trace.heads(), key=lambda each: -each.breadth)
    shown = opened.page.locator(".heads li[role=option] b").all_inner_texts()
    assert shown == [f"L{each.layer.split('.')[2]} H{each.head}" for each in by_breadth]


def test_the_list_of_heads_by_keyboard(open_report):
    trace = large_trace(60, 12, 12, top=2, bins=8)
    opened = open_report(trace)
    names = [f"L{each.layer.split('.')[2]} H{each.head}" for each in trace.heads()]
    listed = opened.page.locator(".heads ul")
    listed.focus()
    for key, place in (
        ("ArrowDown", 1),
        ("ArrowDown", 2),
        ("ArrowUp", 1),
        ("End", 143),
        ("ArrowDown", 143),
        ("Home", 0),
    ):
        opened.page.keyboard.press(key)
        assert opened.text(".map h2") == f"Map of {names[place]}"
        on = opened.page.locator(".heads li.on")
        assert on.get_attribute("aria-posinset") == str(place + 1)
        assert on.get_attribute("id") == listed.get_attribute("aria-activedescendant")
    assert opened.page.locator(".heads li[role=option]").count() < 60  # of 144: only those in sight


def test_light_and_dark_by_system_and_by_switch(open_report):
    ground = "getComputedStyle(document.body).backgroundColor"
    light, dark = open_report(SINK), open_report(SINK, dark=True)
    assert light.page.evaluate(ground) == "rgb(244, 245, 247)"
    assert dark.page.evaluate(ground) == "rgb(18, 20, 23)"
    light.see("theme", "dark")
    assert light.page.evaluate(ground) == "rgb(18, 20, 23)"
    dark.see("theme", "light")
    assert dark.page.evaluate(ground) == "rgb(244, 245, 247)"
    dark.see("theme", "auto")
    assert dark.page.evaluate(ground) == "rgb(18, 20, 23)"


def test_tab_reaches_every_control_and_the_focus_is_seen(open_report):
    opened = open_report(replace(SINK, layers=SINK.layers[:1]))
    opened.word(5).click()
    opened.page.locator("h1").click()
    seen = []
    for _ in range(40):
        opened.page.keyboard.press("Tab")
        found = opened.page.evaluate("""() => {
            const at = document.activeElement;
            if (at === document.body) return null;
            const ring = at.matches("input[type=radio]") ? at.parentElement : at;
            const style = getComputedStyle(ring);
            const place = at.closest("section, header.bar")?.className ?? "";
            return [place, at.tagName, style.outlineStyle, style.outlineWidth];
        }""")
        if found is None:
            break
        seen.append(found)
    assert all(style != "none" and width != "0px" for _, _, style, width in seen), seen
    order = list(dict.fromkeys(place.split()[-1] for place, *_ in seen if place))
    assert order == ["bar", "heads", "texts", "reads", "map", "scatter"]
    kinds = {(place.split()[-1], tag) for place, tag, *_ in seen if place}
    assert {("heads", "SELECT"), ("heads", "UL"), ("texts", "DIV"), ("map", "CANVAS"), ("scatter", "svg")} <= kinds


def test_every_control_has_a_name(open_report):
    opened = open_report(SINK)
    nameless = opened.page.evaluate("""() =>
        [...document.querySelectorAll("button, select, input, canvas, [role=listbox], section")].filter((each) =>
            !(each.getAttribute("aria-label") || each.textContent.trim() || each.closest("label")?.textContent.trim())
        ).map((each) => each.outerHTML.slice(0, 80))""")
    assert nameless == []


def test_the_sinks_switch_says_what_it_hides(open_report):
    opened = open_report(SINK)
    share = f"{100 * SINK_SHARE:.0f} %"
    assert opened.text(".switch") == f"Hide sinks (1 sink: {share} of the mass)"
    opened.page.get_by_label("Hide sinks").check()
    expect(opened.word(0)).to_have_class(re.compile("sink"))
    assert opened.text(".switch") == f"Hide sinks (hiding 1 key that takes {share} of the mass)"
    assert opened.text(".heads .legend").startswith("Sinks are left out: 'w0'")
    assert opened.page.locator(".map .legend").last.inner_text().endswith("Hatched: 1 column with hidden sinks.")
    opened.word(9).click()
    assert re.search(r"w9 63 % 1 sink hidden, 38 %", re.sub(r"\s+", " ", opened.text(".keys")))
    opened.page.get_by_label("Hide sinks").uncheck()
    expect(opened.word(0)).not_to_have_class(re.compile("sink"))  # waits for the page's next frame


def test_without_sinks_the_switch_says_so(open_report):
    opened = open_report(cross_trace())
    assert opened.text(".switch") == "Hide sinks (no sinks)"
    assert opened.page.get_by_label("Hide sinks").is_disabled()


def test_inputs_of_a_batch(open_report):
    trace = large_trace(50, 1, 2, batch=3)
    trace = replace(trace, units=tuple(Units(tuple(f"{item}.{i}" for i in range(50)), "token") for item in range(3)))
    opened = open_report(trace)
    opened.see("scope", "head")
    opened.choose("L0 H1")
    for item in (0, 2):
        opened.page.get_by_label("Input").select_option(str(item))
        opened.word(9, item=item).click()
        mass = float(trace.layers[0].received[item, 1, 9])
        said = re.match(rf"token 9 “{item}.9”: mass ([\d.]+)", opened.text(".status"))
        assert float(said[1]) == pytest.approx(mass, abs=0.06, rel=0.02)


@pytest.mark.parametrize("width", [600, 1000, 1440])
def test_nothing_is_wider_than_the_window(open_report, width):
    opened = open_report(large_trace(300, 3, 4), width=width)
    opened.word(20).click()
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    wide = opened.page.evaluate("""() => [...document.querySelectorAll(".panel")].filter((each) =>
        each.getBoundingClientRect().right > innerWidth).map((each) => each.className)""")
    assert wide == []


@pytest.mark.slow
def test_pictures_to_look_at(open_report):
    """The views that a person should look at before a release; they are written to .artefacts/report."""
    short, long = large_trace(60, 4, 4), large_trace(4096, 12, 12)
    for name, trace, view in (
        ("short-light", short, {}),
        ("short-dark", short, {"dark": True}),
        ("narrow", short, {"width": 600}),
        ("long-light", long, {}),
        ("long-dark-sinks-hidden", long, {"dark": True}),
    ):
        opened = open_report(trace, **view)
        opened.word(20).click()
        if "hidden" in name:
            opened.page.get_by_label("Hide sinks").check()
        opened.page.wait_for_timeout(200)
        picture(opened, name)
    scene = Image.linear_gradient("L").resize((224, 224)).convert("RGB")
    opened = open_report(patch_trace(), image=scene)
    opened.page.wait_for_timeout(200)
    picture(opened, "picture")
    assert {path.stem for path in PICTURES.glob("*.png")} >= {"short-light", "long-light", "picture"}
