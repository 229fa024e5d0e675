"""What the page says before there is anything, while work is under way, and when something goes wrong."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from tests.app.studio.page.faked_answers import HOSTILE, SOURCE
from tests.app.studio.page.opened import Opened

pytestmark = pytest.mark.browser


def ask(opened, room, text=SOURCE):
    opened.room(room).locator("textarea").first.fill(text)
    opened.room(room).locator("form [type=submit]").click()


def test_an_empty_studio_says_what_to_do(open_studio, faked):
    opened = open_studio(faked(empty=True))
    expect(opened.room("look").locator(".ask")).to_contain_text("There is no run and no model in the folders")
    expect(opened.room("look").locator(".ask")).to_contain_text("regard train sentiment")
    opened.enter("train")
    expect(opened.room("train")).to_contain_text("No runs yet")
    expect(opened.room("train")).to_contain_text("No training is under way")
    assert opened.serious() == []


def test_each_room_says_what_it_waits_for(open_studio):
    opened = open_studio()
    for room, title in (
        ("look", "Nothing looked at yet"),
        ("why", "Nothing explained yet"),
        ("spend", "Nothing measured yet"),
    ):
        opened.enter(room)
        expect(opened.room(room).locator(".empty")).to_contain_text(title)
        expect(opened.room(room).locator(".ask")).to_contain_text("Type a text first.")
        assert opened.room(room).locator("form [type=submit]").is_disabled()


def test_work_is_seen_and_cancelled_and_the_page_answers_meanwhile(open_studio, faked):
    opened = open_studio(faked(slow=30))
    ask(opened, "look")
    progress = opened.room("look").locator(".progress")
    expect(progress).to_contain_text("layer 0 of 2")
    assert progress.locator("progress").get_attribute("aria-label") == "Working …"
    expect(opened.page.locator("nav a[href='#look'] .busy")).to_be_visible()
    assert opened.serious() == []
    opened.enter("learn")
    expect(opened.room("learn").locator(".drawn")).to_contain_text("47 of 576")
    opened.enter("look")
    progress.get_by_role("button", name="Cancel").click()
    expect(opened.room("look")).to_contain_text("Cancelled. Nothing was changed")
    assert opened.studio.cancelled == {"job0"}
    assert opened.room("look").locator("form [type=submit]").is_enabled()


def test_a_job_that_fails_says_what_where_and_what_to_do(open_studio):
    opened = open_studio()
    ask(opened, "look", "break")
    trouble = opened.room("look").locator(".trouble")
    expect(trouble).to_contain_text("the text is longer than the model reads")
    expect(trouble).to_contain_text("give fewer tokens")
    assert trouble.get_attribute("role") == "alert"
    assert opened.serious() == []


def test_a_result_stays_when_the_next_one_fails(open_studio):
    opened = open_studio()
    ask(opened, "look")
    expect(opened.room("look").locator(".map")).to_be_visible()
    ask(opened, "look", "break")
    expect(opened.room("look").locator(".trouble")).to_be_visible()
    expect(opened.room("look").locator(".map")).to_be_visible()


def test_a_mask_that_cannot_be_read_keeps_the_last_drawing(open_studio):
    opened = open_studio()
    opened.enter("learn")
    room = opened.room("learn")
    expect(room.locator(".drawn")).to_be_visible()
    room.get_by_role("textbox", name="Mask").first.fill("Causal() ! Sinks(2)")
    expect(room.locator(".trouble")).to_contain_text("write ~ for not")
    expect(room.locator(".drawn.stale")).to_be_visible()
    opened.errors[:] = [
        said for said in opened.errors if "422" not in said
    ]  # the browser itself notes a refused request


def test_a_server_that_is_gone_is_said(open_studio):
    opened = open_studio()
    opened.context.set_offline(True)
    ask(opened, "look")
    expect(opened.room("look").locator(".trouble")).to_contain_text("The studio's server does not answer.")
    expect(opened.room("look").locator(".trouble")).to_contain_text("Start it again")
    opened.errors[:] = [said for said in opened.errors if "net::ERR" not in said]  # so notes the browser, too


def test_without_its_token_the_page_says_where_it_is(chromium, faked):
    opened = Opened(chromium, faked().address.split("#")[0])
    expect(opened.page.locator(".trouble")).to_contain_text("opened without the token")
    assert opened.errors == []
    opened.close()


def test_the_token_leaves_the_address_and_a_reload_keeps_it(open_studio):
    opened = open_studio()
    assert "token" not in opened.page.url
    opened.page.reload()
    opened.ready()
    assert "token" not in opened.page.url


def test_the_tour_is_shown_once(open_studio):
    opened = open_studio(tour=True)
    tour = opened.page.locator(".tour")
    assert tour.locator("li").count() == 3
    assert opened.serious() == []
    tour.get_by_role("button", name="Begin").click()
    expect(tour).to_have_count(0)
    opened.page.reload()
    opened.ready()
    expect(tour).to_have_count(0)


def test_texts_are_never_markup(open_studio, monkeypatch):
    from tests.app.studio.page import faked_answers

    texts = ["[CLS]", HOSTILE, *faked_answers.WORDS[1:]]
    monkeypatch.setattr(faked_answers, "TEXTS", texts)
    monkeypatch.setattr(faked_answers, "SPANS", None)
    opened = open_studio()
    ask(opened, "look", HOSTILE)
    room = opened.room("look")
    expect(room.locator(".text")).to_contain_text(HOSTILE)
    room.locator(".text .u").nth(1).click()
    expect(room.locator(".reads h3")).to_contain_text("<img src=x")
    assert opened.page.locator("img").count() == 0
