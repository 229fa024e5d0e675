"""A report in a notebook: a widget, and the same page as plain HTML."""

from html import unescape

import pytest
import torch
from torch import nn

from regard.lens import notebook
from regard.lens.notebook import Shown, show
from regard.lens.units import Units
from regard.lens.watch import watch
from regard.spec.errors import SpecError


@pytest.fixture(scope="module")
def trace():
    model = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    with watch(model, top=2, bins=(4, 4)) as seen, torch.no_grad():
        model(*[torch.randn(1, 4, 8)] * 3)
    return seen.trace([Units(("a", "</iframe>", '"c"', "<script>"), "token")])


@pytest.fixture
def plain(monkeypatch):
    """Without anywidget."""
    monkeypatch.setattr(notebook, "find_spec", lambda name: None)


def test_plain_html_is_the_report_in_a_frame_of_its_own(trace, plain):
    shown = show(trace, title="mine", height=300)
    html = shown._repr_html_()
    assert html.startswith('<iframe sandbox="allow-scripts" ')
    assert "height: 300px" in html
    inner = html.partition('srcdoc="')[2].rpartition('"></iframe>')[0]
    assert unescape(inner) == shown.page
    assert '"' not in inner
    assert "<title>mine</title>" in shown.page
    assert "regard report" in repr(shown)


def test_nothing_in_a_text_ends_the_frame(trace, plain):
    html = show(trace)._repr_html_()
    assert html.count("</iframe>") == 1
    assert html.count("<iframe") == 1


def test_a_widget_holds_the_same_page_and_falls_back_to_html(trace):
    anywidget = pytest.importorskip("anywidget")
    view = show(trace, height=300)
    assert isinstance(view, anywidget.AnyWidget)
    assert "default-src 'none'" in view.page
    bundle = view._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert data["text/html"] == Shown(view.page, 300)._repr_html_()
    assert "application/vnd.jupyter.widget-view+json" in data
    before = view.page
    view.page = show(trace, title="another").page
    assert view.page != before


@pytest.mark.parametrize("given", [None, "trace", 3])
def test_what_is_no_trace(given):
    with pytest.raises(SpecError, match="expected a Trace"):
        show(given)


@pytest.mark.parametrize("height", [0, -1, 1.5, True, "300"])
def test_a_height_that_is_none(height, trace):
    with pytest.raises(SpecError, match="expected pixels"):
        show(trace, height=height)
