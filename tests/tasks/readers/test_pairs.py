"""Pairs: both sides are there, or the row is refused; groups and marks for parting."""

import pytest

from regard.spec.errors import DataError
from regard.tasks.readers.pairs import read_pairs


def test_pairs_with_an_empty_side_are_refused(table, reasons):
    path = table("rows.csv", "source,target", "a house,ein Haus", ",leer", "empty,", "  ,blank", "a,b,c")
    reading = read_pairs(path)
    assert [(row.number, row.source, row.target, row.group) for row in reading.rows] == [
        (1, "a house", "ein Haus", None)
    ]
    assert reasons(reading) == {
        2: "empty text in column 'source'",
        3: "empty text in column 'target'",
        4: "empty text in column 'source'",
        5: "3 columns, expected 2 ('source', 'target')",
    }
    assert reading.refused[0].line == 3


def test_groups_are_read_where_there_are_some(table, reasons):
    path = table("rows.jsonl", '{"source": "a", "target": "b", "group": 7}', '{"source": "a", "target": "b"}')
    reading = read_pairs(path)
    assert reading.rows[0].group == "7"
    assert reasons(reading) == {2: "no group in column 'group'"}
    with pytest.raises(DataError, match="no column 'file'; the columns there are: 'source', 'target', 'group'"):
        read_pairs(path, group="file")


def test_columns_of_other_names_and_sources_alone(table):
    path = table("rows.tsv", "en\tde", "yes\tja")
    assert read_pairs(path, source="en", target="de").rows[0].target == "ja"
    assert read_pairs(path, source="en", target=None).rows[0].target == ""
    with pytest.raises(DataError, match="no column 'target'"):
        read_pairs(path, source="en")


def test_what_makes_pairs_the_same(table):
    path = table("rows.csv", "source,target", "A b,x", "a  B,X", "a b,y")
    first, same, other = (row.identity for row in read_pairs(path).rows)
    assert first == same
    assert first.given == other.given
    assert first.whole != other.whole
