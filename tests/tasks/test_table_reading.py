"""Reading tables: what is read, what is refused, with which number and reason."""

import csv
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regard.spec.errors import DataError
from regard.tasks.table import usable
from regard.tasks.table_reading import file_digest, read_table


def read(path, **changes):
    return read_table(path, **({"text": "text", "label": "label"} | changes))


def write(tmp_path, content, name="rows.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_csv_rows_have_numbers_texts_and_labels(tmp_path):
    table = read(write(tmp_path, 'id,text,label\r\n1,"good, ""really""\ngood",pos\r\n2,bad,neg\r\n'))
    assert [(row.number, row.text, row.label) for row in table.rows] == [
        (1, 'good, "really"\ngood', "pos"),
        (2, "bad", "neg"),
    ]
    assert table.refused == ()
    assert table.columns == ("id", "text", "label")
    assert table.labels == ("neg", "pos")


def test_refused_rows_have_their_number_their_line_and_a_reason(tmp_path):
    content = (
        b'text,label\n"two\nlines",pos\n,neg\n   ,neg\nno label,\ntoo,many,fields\nshort\nbro\xffken,pos\nfine,neg\n'
    )
    table = read(write(tmp_path, content))
    assert [row.number for row in table.rows] == [1, 8]
    assert [str(refused) for refused in table.refused] == [
        "row 2 (line 4): empty text in column 'text'",
        "row 3 (line 5): empty text in column 'text'",
        "row 4 (line 6): no label in column 'label'",
        "row 5 (line 7): 3 columns, expected 2 ('text', 'label')",
        "row 6 (line 8): 1 columns, expected 2 ('text', 'label')",
        "row 7 (line 9): broken UTF-8 in column 'text': byte 0xff after 3 characters",
    ]


def test_broken_utf8_in_a_label_is_refused(tmp_path):
    table = read(write(tmp_path, b"text,label\nfine,p\xe4s\n"))
    assert "broken UTF-8 in column 'label': byte 0xe4" in table.refused[0].reason


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path):
    assert read(write(tmp_path, b"\xef\xbb\xbftext,label\na,b\n")).columns == ("text", "label")


def test_tsv_is_parted_by_tabs(tmp_path):
    assert read(write(tmp_path, "text\tlabel\na, b\tpos\n", "rows.tsv")).rows[0].text == "a, b"


def test_a_missing_column_lists_those_there_are(tmp_path):
    with pytest.raises(DataError, match=r"rows.csv has no column 'text'; the columns there are: 'review', 'label'"):
        read(write(tmp_path, "review,label\na,b\n"))
    with pytest.raises(DataError, match="no column 'stars'"):
        read(write(tmp_path, "text,label\na,b\n"), label="stars")


def test_two_columns_of_one_name_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"several columns named 'text'"):
        read(write(tmp_path, "text,text,label\na,b,c\n"))


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"", "rows.csv", "is empty"),
        (b"", "rows.jsonl", "is empty"),
        (b"", "rows.parquet", "is empty"),
        (b"\n\n", "rows.csv", "is empty"),
        (b"\n \n", "rows.jsonl", "has no rows"),
        (b"text,label\n", "rows.txt", "is of no known kind"),
        ("text,label\n".encode("utf-16"), "rows.csv", "is UTF-16"),
        (b'text,label\n"never closed,pos\nx,y\n', "rows.csv", "no readable csv from line 2 on"),
        (b"PAR1 but not really", "rows.parquet", "no readable parquet"),
    ],
)
def test_files_that_cannot_be_read_are_one_line_errors(tmp_path, content, name, said):
    with pytest.raises(DataError, match=said) as caught:
        read(write(tmp_path, content, name))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    for reads in (read, file_digest):
        with pytest.raises(DataError, match="no such file"):
            reads(tmp_path / "rows.csv")


def test_header_only_has_no_usable_rows(tmp_path):
    table = read(write(tmp_path, "text,label\n"))
    with pytest.raises(DataError, match=r"rows.csv: no rows, expected at least one"):
        usable(table)


def test_usable_refuses_or_leaves_out_as_asked(tmp_path):
    table = read(write(tmp_path, "text,label\na,pos\n,neg\nb,\nc\nd,\n"))
    with pytest.raises(DataError) as caught:
        usable(table)
    said = str(caught.value)
    assert said.startswith("rows.csv: 4 of 5 rows cannot be used: row 2 (line 3): empty text")
    assert "and 1 more" in said
    assert "data.skip_refused=true" in said
    assert [row.text for row in usable(table, skip_refused=True)] == ["a"]


def test_usable_never_goes_on_with_nothing(tmp_path):
    with pytest.raises(DataError, match="1 of 1 rows"):
        usable(read(write(tmp_path, "text,label\n,neg\n")), skip_refused=True)


def test_jsonl_rows_and_refusals(tmp_path):
    lines = [
        json.dumps({"text": "gut 👍", "label": 1}),
        "",
        "{broken",
        json.dumps(["a", "list"]),
        json.dumps({"text": 5, "label": "x"}),
        json.dumps({"label": "x"}),
        json.dumps({"text": "a", "label": 0.5}),
        json.dumps({"text": "\ud800", "label": "x"}),
        json.dumps({"text": "ja", "label": True}),
    ]
    table = read(write(tmp_path, "\n".join(lines), "rows.jsonl"))
    assert [(row.number, row.text, row.label) for row in table.rows] == [(1, "gut 👍", "1"), (8, "ja", "True")]
    reasons = [refused.reason for refused in table.refused]
    assert reasons[0].startswith("no JSON (")
    assert reasons[1].startswith("a JSON list, expected an object")
    assert reasons[2] == "column 'text' holds a int, expected text"
    assert reasons[3] == "no text in column 'text'"
    assert reasons[4] == "column 'label' holds a float, expected text or a whole number as label"
    assert reasons[5].startswith("broken UTF-8 in column 'text': \\ud800")
    assert [(refused.number, refused.line) for refused in table.refused][:2] == [(2, 3), (3, 4)]


def test_parquet_rows_and_refusals(tmp_path):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"text": ["a", None, " ", "d"], "label": [1, 0, 1, None]}), path)
    table = read(path)
    assert [(row.number, row.text, row.label) for row in table.rows] == [(1, "a", "1")]
    assert [str(refused) for refused in table.refused] == [
        "row 2: no text in column 'text'",
        "row 3: empty text in column 'text'",
        "row 4: no label in column 'label'",
    ]


def test_parquet_with_broken_utf8(tmp_path):
    path = tmp_path / "rows.parquet"
    bad = pa.array([b"fine", b"bro\xffken"]).cast(pa.string(), safe=False)
    bad = pa.StringArray.from_buffers(2, pa.py_buffer(b"\0\0\0\0\4\0\0\0\12\0\0\0"), pa.py_buffer(b"finebro\xffke"))
    pq.write_table(pa.table({"text": bad, "label": ["x", "y"]}), path)
    table = read(path)
    assert [row.number for row in table.rows] == [1]
    assert table.refused[0].reason.startswith("broken UTF-8 in column 'text'")


def test_texts_without_labels(tmp_path):
    table = read(write(tmp_path, "text\na\nb\n"), label=None)
    assert [(row.text, row.label) for row in table.rows] == [("a", ""), ("b", "")]


def test_the_digest_is_sha256_of_the_bytes(tmp_path):
    # of the empty message followed by "abc": FIPS 180-2's own example
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_digest(write(tmp_path, b"abc")) == expected


@given(rows=st.lists(st.tuples(st.text(st.characters(codec="utf-8", exclude_characters="\0")), st.integers(0, 3))))
def test_whatever_the_csv_module_writes_is_read_back_or_refused(tmp_path_factory, rows):
    lines = io.StringIO(newline="")
    writer = csv.writer(lines)
    writer.writerow(("text", "label"))
    writer.writerows(rows)
    table = read(write(tmp_path_factory.mktemp("csv"), lines.getvalue()))
    kept = [(number, text, str(label)) for number, (text, label) in enumerate(rows, 1) if text.strip()]
    assert [(row.number, row.text, row.label) for row in table.rows] == kept
    assert len(table.refused) == len(rows) - len(kept)
