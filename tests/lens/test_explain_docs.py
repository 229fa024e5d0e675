"""The page on explanations names every method and measure as the tables in the code do."""

from pathlib import Path

from regard.lens.faithfulness import METRICS
from regard.lens.methods import METHODS

PAGE = (Path(__file__).parents[2] / "docs" / "explain.md").read_text(encoding="utf-8")


def test_every_method_is_a_row_with_its_words_and_its_source():
    rows = [f"| {one.name} | {one.about} | {one.cost(100):,} | {one.paper} |" for one in METHODS]
    assert [row for row in rows if row not in PAGE] == []


def test_every_measure_is_a_row_with_its_words():
    rows = [f"| {one.name} | {one.about} | {one.better} | " for one in METRICS]
    assert [row for row in rows if row not in PAGE] == []
