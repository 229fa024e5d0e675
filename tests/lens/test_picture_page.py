"""A picture with its patches coloured: shares by hand, escaped, offline."""

import re

import pytest

from regard.lens.picture_page import picture_page
from regard.spec.errors import SpecError

ASKED = {
    "answer": "a <cat>",
    "png": b"\x89PNG",
    "grid": (1, 2),
    "looks": [("a", [0.25, 0.5]), ("<cat>", [0.0, 0.0])],
    "others": [("text: tail", 0.25)],
    "how": "the decoder's",
    "model": "Answered by a model",
    "limits": "not proof",
}


def test_a_patch_has_its_share_of_the_heaviest_of_its_own_picture():
    page = picture_page(**ASKED)
    shares = re.findall(r'--share:([\d.]+)" title="row (\d), column (\d): ([\d.]+)"', page)
    assert shares == [
        ("0.400", "1", "1", "0.250"),
        ("0.800", "1", "2", "0.500"),
        ("0.000", "1", "1", "0.000"),
        ("0.000", "1", "2", "0.000"),
    ]
    assert page.count("width:224px;height:112px") == 2
    assert "patches 0.750, heaviest 0.500" in page


def test_each_picture_says_in_words_where_it_is_heaviest_and_texts_are_escaped():
    page = picture_page(**ASKED)
    assert 'alt="a: heaviest in row 1, column 2 of 1 x 2"' in page
    assert "<cat>" not in page
    assert "text: tail</th><td>0.250" in page
    assert "Beside the picture" not in picture_page(**{**ASKED, "others": ()})


def test_nothing_is_asked_of_a_network():
    page = picture_page(**ASKED)
    assert not re.search(r"https?:|//[a-z]|url\(|@import|<script|<link", page)
    assert 'src="data:image/png;base64,iVBORw=="' in page
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in page


def test_weights_that_are_not_of_the_patches_are_refused():
    with pytest.raises(SpecError, match="1 weights of 'a' for 1 x 2 patches"):
        picture_page(**{**ASKED, "looks": [("a", [1.0])]})


def test_evidence_stands_below_the_pictures_where_there_is_some(reading):
    page = picture_page(**ASKED, evidence=reading.explanation.evidence)
    assert "How faithful" in page
    assert "taking away the 10% heaviest words" in page
    assert page.index("How faithful") > page.index("</figure>")
    assert "How faithful" not in picture_page(**ASKED)
