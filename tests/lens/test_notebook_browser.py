"""The report in a notebook's cell, in a real browser: as the widget mounts it, and as plain HTML."""

import pytest
import torch
from torch import nn

from regard.lens.notebook import Shown, show
from regard.lens.watch import watch

# what a notebook gives to a widget: named values, and who is to be told when they change
HARNESS = """async ({ esm, page, height }) => {
    const values = { page, height }, listeners = {};
    window.model = {
        get: (name) => values[name],
        set: (name, value) => { values[name] = value; (listeners[`change:${name}`] ?? []).forEach((tell) => tell()); },
        on: (event, tell) => { (listeners[event] ??= []).push(tell); },
    };
    const address = URL.createObjectURL(new Blob([esm], { type: "text/javascript" }));
    const widget = (await import(address)).default;
    widget.render({ model: window.model, el: document.querySelector("#cell") });
}"""


@pytest.fixture(scope="module")
def trace():
    model = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    with watch(model, top=2, bins=(4, 4)) as seen, torch.no_grad():
        model(*[torch.randn(1, 4, 8)] * 3)
    return seen.trace()


@pytest.fixture
def cell(chromium):
    """A page with an empty cell; nothing may be asked of a network, and its console stays silent."""
    asked, errors = [], []
    context = chromium.new_context(viewport={"width": 900, "height": 700})
    context.route("http*://**", lambda route: (asked.append(route.request.url), route.abort()))
    page = context.new_page()
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_content("<!doctype html><title>notebook</title><div id=cell></div>")
    yield page
    context.close()
    assert asked == []
    assert errors == []


def _report(page):
    """The report inside of the cell's frame, when it has drawn itself."""
    frame = page.frame_locator("#cell iframe")
    frame.locator(".heads li[role=option]").first.wait_for(timeout=20_000)
    return frame


def test_the_widget_mounts_its_report(cell, trace):
    pytest.importorskip("anywidget")
    view = show(trace, title="first", height=500)
    cell.evaluate(HARNESS, {"esm": view._esm, "page": view.page, "height": view.height})
    report = _report(cell)
    assert report.locator("h1").first.inner_text().startswith("first")
    assert report.locator(".heads li[role=option]").count() == 2
    assert cell.locator("#cell iframe").evaluate("frame => frame.clientHeight") == 500


def test_the_widget_follows_its_values(cell, trace):
    pytest.importorskip("anywidget")
    view = show(trace, title="first", height=500)
    cell.evaluate(HARNESS, {"esm": view._esm, "page": view.page, "height": view.height})
    _report(cell)
    cell.evaluate("page => { model.set('page', page); model.set('height', 320); }", show(trace, title="second").page)
    cell.frame_locator("#cell iframe").locator("h1", has_text="second").wait_for(timeout=20_000)
    assert cell.locator("#cell iframe").evaluate("frame => frame.clientHeight") == 320


def test_the_report_cannot_reach_the_notebook(cell, trace):
    html = Shown(show(trace).page, 400)._repr_html_()
    cell.evaluate("html => { document.querySelector('#cell').innerHTML = html; }", html)
    _report(cell)
    (inner,) = [frame for frame in cell.frames if frame != cell.main_frame]
    blocked = """() => { try { return parent.document.title; } catch (error) { return error.name; } }"""
    assert inner.evaluate(blocked) == "SecurityError"
