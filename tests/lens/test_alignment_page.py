"""The page of where each written piece looked: numbers by hand, escaped, offline."""

import re

import pytest

from regard.lens.alignment_page import ALIGNMENT_LIMITS, alignment_page
from regard.spec.errors import SpecError

ASKED = {
    "answer": "der <Hund>",
    "units": ["the", "dog&cat"],
    "written": ["der", "<Hund>"],
    "weights": [[0.75, 0.25], [0.005, 0.995]],
    "kind": "word",
    "how": "the decoder's attention",
    "model": "Written by a model",
}


def test_each_cell_has_its_weight_and_its_share_of_the_heaviest():
    found = re.findall(r'<td style="--share:([\d.]+)" title="([\d.]+)">(\d*)</td>', alignment_page(**ASKED))
    assert found == [
        ("0.754", "0.750", "75"),
        ("0.251", "0.250", "25"),
        ("0.005", "0.005", ""),
        ("1.000", "0.995", "100"),
    ]


def test_headings_name_rows_and_columns_and_texts_are_escaped():
    page = alignment_page(**ASKED)
    assert page.count('<th scope="col">') == 2
    assert page.count('<th scope="row"') == 2
    assert "dog&amp;cat" in page
    assert "<Hund>" not in page
    assert "&lt;Hund&gt;" in page
    assert ALIGNMENT_LIMITS.replace("'", "&#x27;") in page


def test_nothing_is_asked_of_a_network_and_the_table_is_reached_with_the_keyboard():
    page = alignment_page(**ASKED)
    assert not re.search(r"https?:|//[a-z]|url\(|@import|<script|<img|<link", page)
    assert "default-src 'none'" in page
    assert 'class="scroll" role="region"' in page
    assert 'tabindex="0"' in page


def test_weights_that_do_not_fit_are_refused():
    with pytest.raises(SpecError, match="1 rows of weights for 2 pieces and 2 units"):
        alignment_page(**{**ASKED, "weights": [[0.5, 0.5]]})
    with pytest.raises(SpecError, match="a number for each unit"):
        alignment_page(**{**ASKED, "weights": [[1.0], [1.0]]})
    assert "0.000, the heaviest" in alignment_page(**{**ASKED, "weights": [], "written": []})
