"""What a person can ask about in the page: rows of a run's own test part. And places of units that say the same."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_a_row_of_the_test_part(open_studio):
    opened = open_studio()
    room = opened.room("look")
    room.get_by_text("test row", exact=True).click()
    expect(room.locator("form")).to_contain_text("neither trained nor validated on")
    row = room.get_by_label("Row of its test part, 1 to 24")
    row.fill("30")
    expect(row).to_have_value("24")
    room.locator("form [type=submit]").click()
    expect(room.locator(".answer")).to_contain_text("films")
    assert opened.studio.asked == [("look", {"subject": "run1", "part": "test", "row": 24})]
    room.locator("form select").first.select_option("model1")  # which has none: a text is asked for
    expect(room.locator("form textarea")).to_be_visible()
    expect(room.get_by_text("test row", exact=True)).to_have_count(0)


def test_the_test_part_as_evidence_and_in_chinese(open_studio):
    opened = open_studio(language="zh-CN")
    opened.enter("why")
    room = opened.room("why")
    room.get_by_text("测试行", exact=True).click()
    expect(room.get_by_label("测试部分的行号，1 到 24")).to_have_value("1")
    room.get_by_text("证据：只在这份输入上").click()
    room.get_by_text("用它自己测试部分的行（共 24 行）").click()
    expect(room.locator("summary", has_text="证据：也在 它的测试部分 的各行上")).to_be_visible()
    room.locator("form [type=submit]").click()
    expect(room.locator(".card").first).to_be_visible()
    ((kind, body),) = opened.studio.asked
    assert (kind, body["part"], body["row"], body["own"], body["inputs"]) == ("why", "test", 1, True, 30)
    assert "sample" not in body


def test_units_that_say_the_same_are_listed_with_their_places(open_studio):
    opened = open_studio()
    opened.enter("why")
    room = opened.room("why")
    room.locator("textarea").first.fill("a text")
    room.locator("form [type=submit]").click()
    listed = room.locator(".heaviest").first.locator("li")
    expect(listed.first).to_be_visible()
    texts = [" ".join(each.split()) for each in listed.locator("button").all_inner_texts()]
    assert texts[0] == "wonderful"
    assert [each for each in texts if "no. " in each] == ["is no. 4"]  # the other "is" is not among the eight heaviest
