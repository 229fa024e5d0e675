"""The page in Chinese: all of it, in each room, with `lang` set; and the switch."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from tests.app.studio.page.faked_answers import SOURCE

pytestmark = pytest.mark.browser

# what stays as it is in any language: names, numbers, signs, code, and what the server says (marked as English)
KEPT = re.compile(
    r"EN|Tab|CLS|HTML|PNG|JSON|regard|attend|studio|films\S*|small-model|digits|sentiment|images|transformer|bilstm|token\S*|"
    r"positive|negative|accuracy|occlusion|attention|gradient|comprehensiveness|sufficiency|leave-one-out rank|"
    r"correlation|mask|movie-reviews|text|label|float\d+|bfloat16|windowed|exact|flex|encoder\S*|[LH]\d+|all keys|log|"
    r"[KMG]iB|ms|µs|B|s|x|q|k|v|[cy]\d|key|query"
)


def english(opened, room):
    """Words of the page's own that are still English."""
    found = opened.page.evaluate(
        """(room) => [...document.querySelectorAll(`header.bar, footer, [data-room=${room}]`)].flatMap((top) => {
            const walker = document.createTreeWalker(top, NodeFilter.SHOW_TEXT);
            const said = [];
            while (walker.nextNode()) {
                const element = walker.currentNode.parentElement;
                const theirs = "[lang=en], code, textarea, .text, .chip, .u, [hidden], .heaviest button, .sheet";
                if (element.closest(theirs)) continue;
                if (element.checkVisibility() && element.tagName !== "OPTION") said.push(walker.currentNode.data);
            }
            return said;
        })""",
        room,
    )
    words = [KEPT.sub(" ", text) for text in found]
    return [text for text in words if re.search(r"[A-Za-z]{3,}", text)]


@pytest.mark.parametrize("width", [1280, 390])
def test_every_room_in_chinese(open_studio, width):
    opened = open_studio(width=width, language="zh-CN")
    assert opened.page.evaluate("document.documentElement.lang") == "zh-Hans"
    for room, name in (("look", "观察"), ("why", "归因"), ("spend", "预算"), ("train", "训练"), ("learn", "学习")):
        opened.enter(room)
        assert opened.text(f"[data-room={room}] h1") == name
        assert english(opened, room) == []
        if room in ("look", "why", "spend"):
            opened.room(room).locator("textarea").first.fill(SOURCE)
            opened.room(room).locator("form [type=submit]").click()
            expect(opened.room(room).locator(".save")).to_be_visible()
        if room == "train":
            opened.room(room).locator(".tick input").first.check()
            expect(opened.room(room).locator(".compared .save")).to_be_visible()
        assert english(opened, room) == []
        assert opened.wider() == [0, []]
    assert opened.serious() == []


def test_the_switch_keeps_what_is_shown(open_studio):
    opened = open_studio()
    opened.room("look").locator("textarea").first.fill(SOURCE)
    opened.room("look").locator("form [type=submit]").click()
    expect(opened.room("look").locator(".map h3")).to_have_text("Map of L0 H3")
    opened.page.locator("input[name=language][value=zh]").check()
    expect(opened.room("look").locator(".map h3")).to_have_text("L0 H3 的注意力图")
    expect(opened.room("look").locator(".heads .why").first).to_have_text(
        "看得广：同时看 4 个键（中位数 1）；第一个键占 30%（中位数 2%）"
    )
    assert opened.page.evaluate("document.documentElement.lang") == "zh-Hans"
    opened.page.reload()
    opened.ready()
    assert opened.text("[data-room=look] h1") == "观察"  # the choice outlives the page


def test_colours_by_switch(open_studio):
    opened = open_studio()
    ground = "getComputedStyle(document.body).backgroundColor"
    assert opened.page.evaluate(ground) == "rgb(244, 245, 247)"
    opened.page.locator("input[name=theme][value=dark]").check()
    assert opened.page.evaluate(ground) == "rgb(18, 20, 23)"
    opened.page.reload()
    opened.ready()
    assert opened.page.evaluate(ground) == "rgb(18, 20, 23)"
