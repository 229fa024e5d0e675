"""The report in a real browser: hostile texts, and traces of which something is missing."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import pytest
import torch
from tests.lens.report.browsing import HOSTILE, SINK, N
from tests.lens.report.synthetic import causal_layer, large_trace

from regard.lens.trace import Trace
from regard.lens.units import Units

pytestmark = pytest.mark.browser


def test_hostile_texts_do_nothing(open_report):
    units = Units((HOSTILE,) * N, "token")
    trace = replace(SINK, model=HOSTILE, units=(units,), unseen=((HOSTILE, HOSTILE),), about={HOSTILE: HOSTILE})
    opened = open_report(trace, title=HOSTILE)
    opened.word(3).click()
    assert opened.text("h1") == HOSTILE
    assert opened.word(3).inner_text() == HOSTILE
    assert opened.page.locator("img").count() == 0


def test_unseen_attention_is_said_loudly(open_report):
    opened = open_report(replace(SINK, unseen=(("model.7.attn", "it is compiled"), ("model.8", "its own code"))))
    said = opened.text("[role=alert]")
    assert "2 modules of this model attended without being seen: this report is incomplete" in said
    assert "model.7.attn: it is compiled" in said


def test_a_sampled_trace_shows_standard_errors_and_which_queries_were_observed(open_report):
    layer = SINK.layers[0]
    rows = torch.arange(0, N, 4)
    sampled = replace(
        layer,
        positions=rows,
        population=N,
        received_error=0.1 * layer.received,
        map=layer.map * (torch.arange(N) % 4 == 0)[:, None],
        queries_valid=torch.ones(1, len(rows), dtype=torch.bool),
        **{
            name: getattr(layer, name)[:, :, rows] for name in ("lse", "entropy", "distance", "top_keys", "top_weights")
        },
    )
    opened = open_report(replace(SINK, layers=(sampled,)))
    opened.choose("L0 H1")
    opened.see("scope", "head")
    opened.word(0).click()
    assert "mass 30 ± 3.0" in opened.text(".status")
    assert "Sampled: 10 of 40 queries were observed in 1 of 1 layers" in opened.text(".notes")
    assert opened.page.locator(".keys tr.head .chip").count() == 1
    opened.word(1).click()
    assert "not among the observed queries" in opened.text(".keys")
    assert opened.page.locator(".map .legend").last.inner_text().endswith("Grey: rows without an observed query.")
    box = opened.page.locator(".map canvas").bounding_box()
    opened.page.mouse.move(box["x"] + 20, box["y"] + 5.5 * box["height"] / N)
    assert opened.text(".status") == "L0 H1: queries 5 “w5”: none observed"


def test_padding_is_not_shown(open_report):
    valid = torch.ones(1, N, dtype=torch.bool)
    valid[0, :5] = False
    layer = replace(SINK.layers[0], queries_valid=valid, keys_valid=valid)
    opened = open_report(replace(SINK, layers=(layer,)))
    assert opened.page.locator(".text [role=option]").count() == N - 5
    opened.page.locator(".text").focus()
    opened.page.keyboard.press("Home")
    assert opened.text(".reads h2") == "What “w5” reads token 5"
    assert opened.page.locator(".keys tr.head .chip").first.is_visible()


def test_one_token_and_nothing_kept(open_report):
    one = causal_layer("only", torch.ones(1, 1, 1, 1, dtype=torch.float64), top=0)
    opened = open_report(Trace("one", (one,), (Units(("a",), "token"),)))
    assert "No map of this layer was kept. To get one: watch(model, bins=(64, 64))" in opened.text(".map")
    assert "No top keys were kept. To get them: watch(model, top=8)" in opened.text(".notes")
    opened.word(0).click()
    assert "no top keys in this file" in opened.text(".keys")


def test_no_layers_at_all(open_report):
    opened = open_report(Trace("none", (), (Units(("a",), "token"),), unseen=(("m", "why"),)))
    assert "No attention was seen" in opened.text("#page > .missing")
    assert "m: why" in opened.text("[role=alert]")


def test_without_texts_places_are_shown(open_report):
    opened = open_report(replace(SINK, units=(Units.numbered(N),)))
    assert opened.text(".text").startswith("0 1 2 3 4")


def test_heads_that_are_left_out_say_so(open_report, monkeypatch):
    monkeypatch.setattr(import_module("regard.lens.report.payload"), "LIMIT", 10_000)
    opened = open_report(large_trace(200, 2, 2))
    opened.page.locator(".heads li[role=option]").last.click()
    assert "left out to keep the file small" in opened.text(".map")
    assert "Only the first 1 of 4 heads" in opened.text(".notes")
    opened.see("scope", "head")
    opened.word(9).click()
    assert opened.page.locator(".keys tbody tr").count() >= 2
