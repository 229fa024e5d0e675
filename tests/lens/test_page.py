import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files

import pytest
import torch

from regard.lens import LIMITS, Units, page


class Tree(HTMLParser):
    """Every tag with its attributes, and the text outside <style>."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.text, self.open = [], [], []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "link", "img", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)


def test_every_tag_is_closed_and_nothing_is_asked_of_a_network(reading):
    source = page(reading)
    tree = Tree(source)
    assert tree.open == []
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in tree.tags}
    addresses = [value for _, attrs in tree.tags for name, value in attrs.items() if name in ("href", "src")]
    assert addresses == ["#numbers"]
    assert not re.search(r"https?:|//[a-z]|url\(|@import", source)
    policy = next(attrs["content"] for _, attrs in tree.tags if attrs.get("http-equiv"))
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"


def test_words_carry_their_number_and_can_be_reached_with_the_keyboard(reading):
    words = [attrs for tag, attrs in Tree(page(reading)).tags if tag == "data"]
    assert [attrs["title"] for attrs in words] == ["0.100", "0.400", "0.200", "0.050", "-0.200", "0.050"]
    assert all(attrs["tabindex"] == "0" for attrs in words)
    assert [attrs["style"] for attrs in words][:2] == ["--share:0.250", "--share:1.000"]
    assert [attrs.get("class") for attrs in words] == [None, None, None, None, "against", None]
    assert ":focus" in page(reading)


def test_text_labels_and_names_are_escaped(reading):
    source = page(replace(reading, model="</style><script>alert(1)</script>"))
    assert "<b>" not in source
    assert "<script" not in source
    assert "&lt;b&gt;" in source
    assert "good &amp; true" in source
    text = "".join(Tree(source).text)
    assert "A <b>fine</b> film, truly." in text
    assert "good & true" in text


def read(reading, text, spans, weights):
    """The reading with another text."""
    units = Units(tuple(text[start:end] for start, end in spans), "word", spans=spans, source=text)
    found = replace(reading.explanation, units=units, weights=torch.tensor(weights).double(), evidence=None)
    return replace(reading, explanation=found)


def test_words_that_are_signs_of_html_are_escaped(reading):
    source = page(read(reading, '<&amp;"', ((0, 1), (1, 6), (6, 7)), [0.5, 0.3, 0.2]))
    assert ">&lt;</data>" in source
    assert ">&amp;amp;</data>" in source
    assert Tree(source).open == []
    assert '<&amp;"' in "".join(Tree(source).text)


def test_it_says_the_answer_the_method_the_evidence_and_the_limits(reading):
    text = "".join(Tree(page(reading)).text)
    assert "good & true (90.0%)" in text
    assert LIMITS in text
    assert "taking away the 10% heaviest words (1 of 6: fine) lowers the probability of 'good & true'" not in text
    assert (
        "taking away the 10% heaviest words (1 of 6: fine) lowers the probability of 'good' from 0.900 to 0.500" in text
    )
    assert "measured on this input alone; what is taken away is replaced by the mask" in text
    assert "Weights by occlusion: how far it falls <without>." in text
    assert "3 tokens of the text are not read." in text
    assert "What speaks against it" in text
    none = "".join(Tree(page(read(reading, "ab", ((0, 1), (1, 2)), [0.5, 0.3]))).text)
    assert "How faithful these weights are was not measured." in none
    assert "against" not in none


def test_the_legend_ends_as_far_from_zero_on_both_sides_where_weights_have_a_sign(reading):
    assert "-0.400, against it" in page(reading)
    assert "0.400, for it" in page(reading)
    plain = page(read(reading, "ab", ((0, 1), (1, 2)), [0.5, 0.3]))
    assert "0.500, the heaviest word" in plain
    assert "against" not in plain.split("</style>")[1]


def test_every_measure_stands_beside_random_position_and_reverse_order(reading):
    text = "".join(Tree(page(reading)).text)
    assert "measuretaken awayocclusionrandompositionreversebetter" in text
    # of six words the bins are 1, 1, 1, 2 and 3: without .4 three times, .6 and .7
    assert "comprehensivenessreplaced by the mask0.500" in text
    assert "sufficiencyreplaced by the mask" in text


def test_thousands_of_words_stay_a_small_file(reading):
    spans = tuple((5 * place, 5 * place + 4) for place in range(5000))
    assert len(page(read(reading, "word " * 5000, spans, [1 / 5000] * 5000))) < 1_000_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_letters_are_readable_on_the_heaviest_colour_and_on_the_paper(scheme):
    style = files("regard.lens").joinpath("page.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    colours = dict(re.findall(r"--(\w+): (#\w{6})", blocks[scheme == "dark"]))
    for ground in ("paper", "heavy", "against"):
        assert contrast(colours["ink"], colours[ground]) >= 4.5
    assert contrast(colours["quiet"], colours["paper"]) >= 4.5
    assert contrast(colours["focus"], colours["paper"]) >= 3


def contrast(first, second):
    """WCAG 2.2's contrast ratio of two colours."""
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_contrast_knows_the_extremes():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#777777") == 1
