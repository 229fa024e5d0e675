import base64
import hashlib
import re
from html.parser import HTMLParser
from importlib.resources import files

import pytest
import torch
from tests.lens.report import unpack
from tests.lens.report.synthetic import causal_layer

from regard.lens.report.page import html, inert
from regard.lens.report.payload import pack
from regard.lens.trace import Trace
from regard.lens.units import Units

HOSTILE = "</script><img src=x onerror=alert(1)><!--"


class Tree(HTMLParser):
    """Every tag with its attributes, in order, and the text of scripts."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        self.tags.append((f"/{tag}", {}))

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] in ("script", "style"):
            self.texts.append((self.tags[-1], data))

    def run(self, kind):
        """The style or script that a browser would apply or run."""
        return [text for (tag, attrs), text in self.texts if tag == kind and not attrs.get("type")]


def hostile_page():
    layer = causal_layer("only", torch.eye(2, dtype=torch.float64)[None, None], bins=2)
    units = Units((HOSTILE, "b"), "token", ((0, len(HOSTILE)), (len(HOSTILE), len(HOSTILE) + 1)), HOSTILE + "b")
    trace = Trace(HOSTILE, (layer,), (units,), unseen=((HOSTILE, HOSTILE),), about={HOSTILE: HOSTILE})
    return html(pack(trace, title=HOSTILE))


def test_hostile_texts_are_inert():
    tree = Tree(hostile_page())
    assert "img" not in [tag for tag, _ in tree.tags]
    assert [tag for tag, _ in tree.tags if tag == "script"] == ["script"] * (1 + 6)  # index, 5 sections, the page's own
    assert not any("onerror" in name for _, attrs in tree.tags for name in attrs)


def test_hostile_texts_come_back_as_they_were():
    source = hostile_page()
    found = unpack.index(source)
    assert found["model"] == found["title"] == HOSTILE
    assert found["unseen"] == [[HOSTILE, HOSTILE]]
    told = unpack.texts({"text.0": unpack.elements(source)["section.text.0"]})
    assert told[0]["texts"] == [HOSTILE, "b"]


def test_inert_json_has_no_sign_of_markup():
    text = inert({"a": "<b>&\u2028"})
    assert not set("<>&\u2028") & set(text)


def test_nothing_is_asked_of_a_network():
    tree = Tree(hostile_page())
    policy = next(attrs["content"] for _, attrs in tree.tags if attrs.get("http-equiv"))
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy
    assert not [attrs for _, attrs in tree.tags if "src" in attrs or "href" in attrs]


def test_the_policy_names_this_script_and_this_style():
    tree = Tree(hostile_page())
    policy = next(attrs["content"] for _, attrs in tree.tags if attrs.get("http-equiv"))
    run = tree.run("style") + tree.run("script")
    assert len(run) == 2
    for text in run:
        assert f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" in policy


def test_the_built_page_evaluates_no_strings_and_fetches_nothing():
    code = Tree(hostile_page()).run("script")[0].split("*/", 1)[1]  # after the notices
    assert not re.search(r"\beval\(|new Function|insertAdjacentHTML|document\.write", code)
    assert not re.search(r"\bfetch\(|XMLHttpRequest|WebSocket|import\(|https?://(?!www\.w3\.org/)", code)


COLOURS = re.compile(r"--([\w-]+): ?(#\w{3,6})")


def palettes():
    """The three blocks of colours of the style sheet: light, dark by the switch, dark by the system."""
    style = files("regard.lens.report").joinpath("page.css").read_text(encoding="utf-8")
    blocks = [dict(COLOURS.findall(block)) for block in re.findall(r"\{([^{}]*--ink:[^{}]*)\}", style)]
    assert len(blocks) == 3
    return blocks


def test_dark_is_the_same_by_switch_and_by_system():
    _, switched, system = palettes()
    assert switched == system


@pytest.mark.parametrize("scheme", [0, 1])
def test_letters_can_be_read_on_every_ground(scheme):
    colours = palettes()[scheme]
    grounds = {"ink": ("panel", "ground", "heavy", "on"), "quiet": ("panel", "ground", "on"), "alarm": ("alarm-paper",)}
    for letters, under in grounds.items():
        for ground in under:
            assert contrast(colours[letters], colours[ground]) >= 4.5, (letters, ground)
    for ground in ("panel", "heavy", "on"):
        assert contrast(colours["focus"], colours[ground]) >= 3, ground


def contrast(first, second):
    """WCAG 2.2's contrast ratio of two colours."""
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour):
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_contrast_knows_the_extremes():
    assert contrast("#ffffff", "#000") == pytest.approx(21)
