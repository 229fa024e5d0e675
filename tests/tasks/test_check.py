"""The report on a data file: every figure counted by hand."""

import pytest

from regard.spec.errors import DataError
from regard.tasks.check import check, check_file
from regard.tasks.table import Row, Table


def table(*rows, name="rows.csv"):
    return Table(name, ("text", "label"), tuple(Row(n, text, label) for n, (text, label) in enumerate(rows, 1)), ())


def test_a_report_counts_what_is_there(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("text,label\nGood film,pos\ngood  FILM,pos\nbad<br />film,neg\n,neg\nso so,pos\nso so,neg\n")
    report = check_file(path, text="text", label="label")
    assert report.rows == 5
    assert [refused.number for refused in report.refused] == [4]
    assert report.labels == (("pos", 3), ("neg", 2))
    assert report.duplicates == 1  # rows 1 and 2 differ in case and spaces only
    assert report.contradictions == ((5, 6),)
    assert report.html_breaks == 1
    assert report.shared_with_test is None
    assert not report.usable
    lengths = report.lengths
    assert (lengths.shortest, lengths.median, lengths.ninety, lengths.longest) == (5, 9, 13, 13)


def test_a_good_file_is_usable_and_has_no_warnings():
    report = check(table(("a", "x"), ("b", "y"), ("c", "x"), ("d", "y")))
    assert report.usable
    assert report.warnings == ()


def test_a_label_seen_once_is_a_warning_and_not_usable():
    report = check(table(("a", "x"), ("b", "x"), ("c", "rare")))
    assert not report.usable
    assert report.warnings == ("label 'rare' occurs once: it cannot be both learned and tested; add rows or remove it",)


def test_one_label_only():
    report = check(table(("a", "x"), ("b", "x")))
    assert not report.usable
    assert "only one label, 'x'" in report.warnings[0]


def test_labels_that_differ_in_case_or_spaces_are_pointed_out_not_merged():
    report = check(table(("a", "pos"), ("b", "Pos "), ("c", "pos"), ("d", "Pos ")))
    assert report.labels == (("pos", 2), ("Pos ", 2))
    assert "labels 'pos', 'Pos ' differ only in case or spaces" in report.warnings[0]


def test_texts_shared_with_a_test_file_are_counted():
    report = check(table(("a", "x"), ("b", "y"), ("A", "x")), table(("a ", "x"), ("z", "y")))
    assert report.shared_with_test == 2
    assert any("2 rows have a text that is also in the test file" in warning for warning in report.warnings)


def test_a_file_without_rows_has_no_lengths():
    report = check(table())
    assert report.lengths is None
    assert not report.usable


def test_a_missing_column_is_an_error(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="the columns there are: 'a', 'b'"):
        check_file(path, text="text", label="b")
