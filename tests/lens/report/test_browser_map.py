"""The report in a real browser: a head's map, and the scatter of all heads."""

from __future__ import annotations

import re

import pytest
from tests.lens.report.browsing import SINK, N
from tests.lens.report.synthetic import large_trace

pytestmark = pytest.mark.browser


def test_the_map_zooms_by_buttons_drag_and_keyboard(open_report):
    opened = open_report(SINK)
    legend = opened.page.locator(".map .legend")
    canvas = opened.page.locator(".map canvas")
    assert "Queries 0–39 down, keys 0–39 across." in legend.nth(1).inner_text()
    assert legend.last.inner_text() == "One cell is one query and one key: nothing finer."
    opened.page.get_by_label("Zoom in").click()
    assert "Queries 0–19 down, keys 0–19 across." in legend.nth(1).inner_text()
    opened.page.get_by_label("Zoom out").click()
    assert "Queries 0–39" in legend.nth(1).inner_text()
    box = canvas.bounding_box()
    cell = box["width"] / N
    opened.page.mouse.move(box["x"] + 10.5 * cell, box["y"] + 20.5 * cell)
    opened.page.mouse.down()
    opened.page.mouse.move(box["x"] + 15.4 * cell, box["y"] + 30.4 * cell, steps=3)
    assert opened.page.locator(".band").is_visible()
    opened.page.mouse.up()
    assert "Queries 20–29 down, keys 10–14 across." in legend.nth(1).inner_text()
    opened.page.get_by_role("button", name="Whole").click()
    canvas.focus()
    opened.page.keyboard.press("0")
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "+", "-", "Shift+ArrowDown", "Enter"):
        opened.page.keyboard.press(key)
    assert opened.text(".reads h2").startswith("What “w")
    opened.choose("L0 H1")
    opened.page.mouse.move(box["x"] + 0.5 * cell, box["y"] + 8.5 * cell)
    assert opened.text(".status") == "L0 H1: queries 8 “w8” → keys 0 “w0”: 75 % of their weight, mass 0.75"


def test_the_map_is_drawn(open_report):
    """The first head reads itself alone: its diagonal is dark, the rest is the colour of nothing."""
    opened = open_report(SINK)
    opened.choose("L0 H0")
    opened.settle()
    on, off = opened.page.evaluate("""() => {
        const canvas = document.querySelector(".map canvas");
        const { width, data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        const at = (x, y) => 4 * (Math.round((y + .5) * width / 40) * width + Math.round((x + .5) * width / 40));
        return [at(20, 20), at(5, 20)].map((i) => [...data.slice(i, i + 4)]);
    }""")
    assert on == [61, 22, 4, 255]  # --map4
    assert off == [255, 255, 255, 255]  # --map0


def test_a_coarse_map_says_where_zoom_stops_and_how_to_get_more(open_report):
    trace = large_trace(300, 1, 2, bins=30)
    opened = open_report(trace)
    flow = trace.layers[0].map[0, trace.heads()[0].head]
    most = float((flow / flow.sum(-1, keepdim=True)).max())
    said = opened.page.locator(".map .legend").nth(1).inner_text()
    assert float(re.search(r"to ([\d.]+) %", said)[1]) == pytest.approx(100 * most, rel=0.1)
    for _ in range(8):
        opened.page.get_by_label("Zoom in").click()
    said = opened.page.locator(".map .legend").last.inner_text()
    assert (
        said
        == "One cell is 10 × 10 (queries × keys), summed exactly; zoom stops there. Finer: regard.lens.maps.region."
    )
    assert "Queries 0–9 down, keys 0–9 across" in opened.page.locator(".map .legend").nth(1).inner_text()


def test_the_scatter_chooses_heads(open_report):
    trace = large_trace(200, 2, 3)
    opened = open_report(trace)
    last = max(trace.heads(), key=lambda each: each.breadth)
    point = opened.page.locator(".scatter circle[role=option]").last
    box = point.bounding_box()
    opened.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    name = f"L{last.layer.split('.')[2]} H{last.head}"
    assert opened.text(".map h2") == f"Map of {name}"
    assert opened.text(".status").startswith(f"{name}: breadth")
    opened.page.locator(".scatter svg").focus()
    across = sorted(trace.heads(), key=lambda each: each.breadth)
    for key, place in (("Home", 0), ("ArrowRight", 1), ("ArrowUp", 2), ("ArrowLeft", 1), ("ArrowDown", 0), ("End", -1)):
        opened.page.keyboard.press(key)
        assert opened.text(".map h2") == f"Map of L{across[place].layer.split('.')[2]} H{across[place].head}"
