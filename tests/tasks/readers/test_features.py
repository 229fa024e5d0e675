"""Tables: what kind each column is, empty cells kept as empty, and cells that do not fit refused by row."""

import pytest

from regard.spec.errors import DataError
from regard.tasks.readers.features import Column, TypedAs, columns_of, read_features

ROWS = ("size,colour,code,note,label", "1.5,red,7,,a", ",blue,8,,b", "2,,9,,a")


def test_columns_are_typed_by_their_cells(table):
    columns, notes = columns_of(table("rows.csv", *ROWS), besides=["label"])
    assert columns == (Column("size", "number"), Column("colour", "category"), Column("code", "number"))
    assert notes == ("column 'note' is empty, and is not read",)


def test_columns_are_typed_as_named(table):
    typed = TypedAs(categories=("code",), skip=("size",))
    columns, _ = columns_of(table("rows.csv", *ROWS), besides=["label"], typed=typed)
    assert columns == (Column("colour", "category"), Column("code", "category"))


def test_one_odd_cell_in_ten_is_refused_many_make_categories(table, reasons):
    cells = [f"{number},a" for number in range(18)]
    path = table("rows.csv", "size,label", *cells, "x,a", ",a")
    columns, notes = columns_of(path, besides=["label"])
    assert (columns, notes) == ((Column("size", "number"),), ())
    assert reasons(read_features(path, columns, label="label")) == {19: "column 'size' holds 'x', expected a number"}
    columns, notes = columns_of(table("more.csv", "size,label", *cells, "x,a", "x,a", "y,a"), besides=["label"])
    assert columns == (Column("size", "category"),)
    assert notes == ("column 'size' is taken for categories: 3 of 21 cells are no numbers, such as 'x'",)


def test_rows_keep_what_is_empty(table):
    path = table("rows.csv", *ROWS)
    columns, _ = columns_of(path, besides=["label"])
    found = read_features(path, columns, label="label")
    assert [row.values for row in found.rows] == [(1.5, "red", 7.0), (None, "blue", 8.0), (2.0, None, 9.0)]
    assert [row.label for row in found.rows] == ["a", "b", "a"]
    assert found.columns == ("size", "colour", "code")
    assert found.notes == ("2 rows have empty cells, which are told as missing",)


def test_words_for_an_empty_cell_are_those_that_were_named(table, reasons):
    path = table("rows.csv", "size,label", *["1,a"] * 18, "NA,a")
    columns, _ = columns_of(path, besides=["label"])
    assert list(reasons(read_features(path, columns, label="label"))) == [19]
    found = read_features(path, columns, label="label", typed=TypedAs(empty=("NA",)))
    assert (found.refused, found.rows[-1].values) == ((), (None,))


def test_a_number_to_be_told_must_be_there(table, reasons):
    path = table("rows.csv", "size,target", "1,10", "2,", "3,many", "4,nan")
    found = read_features(path, [Column("size", "number")], target="target")
    assert [row.target for row in found.rows] == [10]
    assert reasons(found) == {
        2: "no number in column 'target'",
        3: "column 'target' holds 'many', expected a number",
        4: "column 'target' holds nan, which is no number",
    }


def test_json_cells_that_are_neither(table, reasons):
    path = table("rows.jsonl", '{"a": [1], "label": "x"}', '{"a": true, "label": "x"}', '{"a": null, "label": "x"}',
                 '{"label": "x"}')  # fmt: skip
    found = read_features(path, [Column("a", "category")], label="label")
    assert reasons(found) == {1: "column 'a' holds a list, expected text or a whole number as category"}
    assert [row.values for row in found.rows] == [("True",), (None,), (None,)]


def test_a_table_without_features(table):
    with pytest.raises(DataError, match="has no column beside 'label'"):
        columns_of(table("rows.csv", "label", "a"), besides=["label"])
    with pytest.raises(DataError, match="all columns beside 'label' are empty"):
        columns_of(table("rows.csv", "x,label", ",a"), besides=["label"])
    with pytest.raises(DataError, match="has no column 'height'"):
        columns_of(table("rows.csv", *ROWS), besides=["label"], typed=TypedAs(numbers=("height",)))


def test_rows_alike_are_known_by_all_of_their_cells(table):
    path = table("rows.csv", "size,label", "1,a", "1.0,a", "1,b", ",a")
    rows = read_features(path, [Column("size", "number")], label="label").rows
    marks = [row.identity for row in rows]
    assert marks[0] == marks[1]
    assert marks[0].given == marks[2].given
    assert marks[0].whole != marks[2].whole
    assert len({mark.given for mark in marks}) == 2
