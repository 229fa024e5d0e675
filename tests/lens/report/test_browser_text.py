"""The report in a real browser: texts and pictures, and what a unit of them reads."""

from __future__ import annotations

import math
import re

import pytest
from PIL import Image
from tests.lens.report.browsing import SINK, SINK_SHARE, N
from tests.lens.report.synthetic import cross_trace, large_trace, patch_trace

pytestmark = pytest.mark.browser


def test_mass_by_hand_in_each_scope(open_report):
    opened = open_report(SINK)
    opened.choose("L1 H1")
    opened.word(0).click()
    assert opened.text(
        ".reads .legend"
    ) == f"token 0 “w0”: mass 15.6 a head, {100 * SINK_SHARE:.0f} %, rank 1 of 40".replace("15.6", "16")
    opened.see("scope", "head")
    assert opened.text(".reads .legend") == "token 0 “w0”: mass 30, 76 %, rank 1 of 40"
    opened.word(7).click()
    assert opened.text(".status") == "token 7 “w7”: mass 0.25, 0.63 %, rank 2 of 40"
    opened.choose("L1 H0")
    assert opened.text(".reads .legend") == "token 7 “w7”: mass 1.0, 2.5 %, rank 1 of 40"
    opened.see("scope", "layer")
    assert opened.text(".reads .legend").startswith("token 7 “w7”: mass 0.63 a head")


def test_the_page_reads_the_numbers_that_the_trace_holds(open_report):
    """Every eleventh token of three heads: mass, breadth and the heaviest key as the page says them."""
    trace = large_trace(220, 3, 3)
    opened = open_report(trace)
    opened.see("scope", "head")
    for number, place in ((0, 2), (1, 0), (2, 1)):
        layer = trace.layers[number]
        opened.choose(f"L{number} H{place}")
        for token in range(5, 220, 43):
            opened.word(token).click()
            mass = float(layer.received[0, place, token])
            told = float(re.search(r"mass ([\d.e-]+)", opened.text(".status"))[1])
            assert told == pytest.approx(mass, rel=0.06, abs=0.006)
            row = opened.page.locator(".keys tr.head")
            breadth = float(layer.breadth[0, place, token])
            assert float(row.locator(".number").inner_text().replace(",", "")) == pytest.approx(
                breadth, rel=0.08, abs=0.6
            )
            weight = float(layer.top_weights[0, place, token, 0])
            if weight < 0.02:
                continue
            chip = row.locator(".chip").first
            key = int(re.search(r"key ([\d,]+):", chip.get_attribute("title"))[1].replace(",", ""))
            assert key in layer.top_keys[0, place, token, :2].tolist()
            share = float(re.search(r"([\d.]+) %", chip.inner_text())[1])
            assert share == pytest.approx(100 * weight, abs=0.9) or key == int(layer.top_keys[0, place, token, 1])


def test_shades_follow_the_scale(open_report):
    opened = open_report(SINK)
    shade = lambda place: int(re.search(r"\bm(\d+)", opened.word(place).get_attribute("class"))[1])  # noqa: E731
    opened.see("scale", "linear")
    assert shade(0) == 15
    assert shade(9) == round(15 * 1.25 / (1 + 0.75 * N + 0.25))
    opened.see("scale", "log")
    assert shade(9) == round(15 * (1 + math.log10(1.25 / (1 + 0.75 * N + 0.25)) / 3))
    assert "1/1000 of the heaviest" in opened.text(".texts .legend")
    opened.see("scale", "rank")
    assert shade(0) > shade(9)
    assert shade(9) == shade(30)  # the same mass, the same shade


def test_a_click_on_a_word_shows_its_top_keys_in_each_layer(open_report):
    opened = open_report(SINK)
    opened.choose("L0 H1")
    opened.word(9).click()
    assert opened.text(".reads h2") == "What “w9” reads token 9"
    rows = [re.sub(r"\s+", " ", row) for row in opened.page.locator(".keys tbody tr").all_inner_texts()]
    assert rows == ["L0 H1 1.8 w0 75 % w9 25 %", "L0 1.4 w9 63 % w0 38 %", "L1 1.4 w9 63 % w0 38 %"]
    opened.page.locator(".keys .chip").first.click()
    assert opened.text(".reads h2") == "What “w0” reads token 0"
    opened.page.locator(".keys tbody th button").last.click()
    assert opened.text(".map h2").startswith("Map of L1")


def test_enter_goes_from_a_word_to_its_keys(open_report):
    opened = open_report(SINK)
    opened.page.locator(".text").focus()
    for key in (
        "ArrowRight",
        "ArrowRight",
        "ArrowRight",
        "ArrowLeft",
        "End",
        "Home",
        "PageDown",
        "PageUp",
        "ArrowRight",
    ):
        opened.page.keyboard.press(key)
    assert opened.text(".reads h2") == "What “w1” reads token 1"
    assert opened.page.locator(".text").get_attribute("aria-activedescendant") == "u0.0.1"
    assert opened.word(1).get_attribute("aria-selected") == "true"
    opened.page.keyboard.press("Enter")
    assert opened.page.evaluate("document.activeElement.id") == "reads"


def test_up_and_down_go_by_lines(open_report):
    opened = open_report(large_trace(400, 1, 2))
    opened.word(2).click()
    before = opened.word(2).bounding_box()
    opened.page.keyboard.press("ArrowDown")
    opened.settle()
    chosen = opened.page.locator(".u.chosen")
    after = chosen.bounding_box()
    assert 0 < after["y"] - before["y"] < 40
    assert abs(after["x"] - before["x"]) < 120
    opened.page.keyboard.press("ArrowUp")
    opened.settle()
    assert chosen.bounding_box()["y"] == before["y"]


def test_a_layer_that_crosses_reads_the_other_text(open_report):
    opened = open_report(cross_trace())
    assert opened.page.locator(".texts h3").all_inner_texts() == [
        "Sequence 1 of 2: 14 tokens, queries and keys; heaviest 8.5 %, even share 7.1 %",
        "Sequence 2 of 2: 9 tokens, queries and keys; heaviest 31 %, even share 11 %",
    ]
    opened.choose("L2 H0")
    opened.see("scope", "head")
    assert opened.page.locator(".texts h3").last.inner_text().endswith("not read in this scope")
    opened.word(3, stream=1).click()
    opened.settle()
    assert opened.page.locator(".keys tr.head .chip").first.inner_text() == "Wort3 91 %"
    assert "read" in opened.word(3).get_attribute("class")
    opened.word(3).click()
    assert opened.page.locator(".keys tbody tr").count() == 1  # the encoder's only


@pytest.mark.parametrize("with_picture", [True, False])
def test_patches(open_report, with_picture):
    image = Image.new("RGB", (224, 224), (30, 90, 160)) if with_picture else None
    opened = open_report(patch_trace(4, 4, layers=2, heads=2), image=image)
    canvas = opened.page.locator(".picture canvas")
    box = canvas.bounding_box()
    opened.page.mouse.click(box["x"] + 0.6 * box["width"], box["y"] + 0.3 * box["height"])
    assert opened.text(".reads h2") == "What “row 1 column 2” reads patch 7"
    for key, name in (("ArrowRight", "row 1 column 3"), ("ArrowDown", "row 2 column 3"), ("Home", "row 0 column 0")):
        canvas.press(key)
        assert opened.text(".reads h2").startswith(f"What “{name}” reads")
    opened.page.locator(".specials .chip").click()
    assert opened.text(".reads h2") == "What “CLS” reads patch 0"
    blue = opened.page.evaluate("""() => {
        const canvas = document.querySelector(".picture canvas");
        const [red, , blue] = canvas.getContext("2d").getImageData(canvas.width * .9, canvas.height * .9, 1, 1).data;
        return blue > red;
    }""")
    assert blue == with_picture  # the picture is under the shades; alone they are orange
    assert (opened.page.locator(".picture .legend").count() == 1) == with_picture


def test_a_long_text_has_elements_only_where_they_are_in_sight(open_report):
    opened = open_report(large_trace(16_384, 1, 2, top=1, bins=32))
    options = opened.page.locator(".text [role=option]")
    assert 100 < options.count() < 3000
    text = opened.page.locator(".text")
    for step in range(20):
        text.evaluate("(each, step) => { each.scrollTop = step * each.scrollHeight / 20 }", step)
        opened.settle()
    text.focus()
    opened.page.keyboard.press("End")
    assert opened.page.locator(".reads h2 small").inner_text() == "token 16,383"
    opened.settle()
    assert opened.word(16_383).is_visible()
    assert options.count() < 3000
    assert len(opened.page.locator(".text").evaluate("each => each.textContent")) > 60_000
