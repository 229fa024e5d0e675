"""Records: read one at a time, again from their bytes, with what they lack said."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from regard.spec.errors import DataError
from regard.tasks.readers.records import parsed, records_of


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_bytes_of_a_csv_record_give_it_again(tmp_path, newline):
    lines = ["a,b", '"1\n2",x', "", "ü,苹果", "", '3,"q""q"', "last,one"]
    path = tmp_path / "rows.csv"
    path.write_bytes(b"\xef\xbb\xbf" + newline.join(lines).encode())
    records = records_of(path)
    content = path.read_bytes()
    found = list(records.each())
    assert [one.fields["a"] for one in found] == ["1\n2", "ü", "3", "last"]
    for one in found:
        assert parsed(path, records.columns, content[one.at : one.at + one.size]) == one.fields
    assert [one.line for one in found] == [2, 5, 7, 8] if newline != "\r" else True


def test_bytes_of_a_jsonl_record_give_it_again(tmp_path):
    rows = [{"a": "ü\u2028"}, {"b": 2}, {"a": None}]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    records = records_of(path)
    assert records.columns == ("a", "b")
    content = path.read_bytes()
    assert [parsed(path, (), content[one.at : one.at + one.size]) for one in records.each()] == rows
    assert [(one.number, one.line) for one in records.each()] == [(1, 1), (2, 3), (3, 5)]


def test_parquet_reads_the_columns_that_were_asked_for(tmp_path):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"a": [1, 2], "b": ["x", "y"]}), path)
    records = records_of(path)
    assert [one.fields for one in records.each(["b"])] == [{"b": "x"}, {"b": "y"}]
    assert [(one.number, one.at, one.line) for one in records.each()] == [(1, 0, None), (2, 1, None)]


def test_a_parquet_file_that_breaks_off_is_named(tmp_path):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"a": [str(n) * 50 for n in range(5000)]}), path, compression="none")
    content = bytearray(path.read_bytes())
    content[20:5000] = bytes(4980)  # the footer is whole, the pages are not
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"rows.parquet is no readable parquet file"):
        list(records_of(path).each())


def test_columns_that_are_needed(tmp_path):
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    records = records_of(tmp_path / "rows.csv")
    records.need("a", None)
    with pytest.raises(DataError, match="no column 'c'; the columns there are: 'a', 'b'"):
        records.need("a", "c")


def test_all_columns_that_are_missing_are_named_and_of_those_there_a_few(tmp_path):
    path = tmp_path / "wide.csv"
    path.write_text(",".join(f"c{place}" for place in range(30)) + "\n", encoding="utf-8")
    with pytest.raises(DataError) as told:
        records_of(path).need("c0", "age", None, "c9", "size", "age")
    assert str(told.value) == (
        "wide.csv has no columns 'age', 'size'; the columns there are: 'c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7' "
        "and 22 more; --column ROLE=NAME says which of them is meant"
    )
    with pytest.raises(DataError, match=r"wide.csv has no columns 'x0', .*'x7' and 22 more; the columns there are: "):
        records_of(path).need(*(f"x{place}" for place in range(30)))
