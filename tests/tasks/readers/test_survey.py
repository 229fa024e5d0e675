"""A file looked through once: rows read by their places, parted by hash, without duplicates, in little memory."""

import csv
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from regard.spec.errors import DataError
from regard.tasks.event import unheard
from regard.tasks.readers import large_parts, survey
from regard.tasks.readers.large_parts import part_large
from regard.tasks.readers.records import records_of
from regard.tasks.readers.survey import surveyed
from regard.tasks.table import usable
from regard.tasks.table_reading import labelled_text, read_table

TEXTS = ["plain", 'quo"ted, with\nbreak', "ünï", "苹果 \u2028 a\x0bb", " spaced ", "x" * 300]


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("REGARD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(survey, "_BUFFER", 4)
    monkeypatch.setattr(large_parts, "_BUCKET", 16)
    monkeypatch.setattr(large_parts, "_READ", 7)


def written(tmp_path, rows, kind, newline="\n", bom=False):
    """A file of (text, label) rows; None for a text makes a row that is refused."""
    path = tmp_path / f"rows.{kind}"
    if kind == "parquet":
        texts, labels = zip(*rows, strict=True)
        pq.write_table(pa.table({"text": texts, "label": labels}), path, row_group_size=5)
        return path
    lines = io.StringIO(newline="")
    if kind == "jsonl":
        lines.write("".join(json.dumps({"text": t, "label": n}, ensure_ascii=False) + newline for t, n in rows))
    else:
        writer = csv.writer(lines, delimiter="\t" if kind == "tsv" else ",", lineterminator=newline)
        writer.writerows([("text", "label"), *((t or "", n) for t, n in rows)])
    path.write_bytes((b"\xef\xbb\xbf" if bom else b"") + lines.getvalue().encode())
    return path


def judge(record):
    return labelled_text(record, "text", "label")


def look(path, key="key"):
    return surveyed(records_of(path), judge, ["text", "label"], key, unheard)


@pytest.mark.parametrize("bom", [False, True])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_any_row_is_read_again_by_its_place(tmp_path, kind, newline, bom):
    rows = [(None if i % 5 == 3 else f"{TEXTS[i % 6]} {i}", f"label {i % 2}") for i in range(23)]
    path = written(tmp_path, rows, kind, newline, bom)
    eager = usable(read_table(path, text="text", label="label"), skip_refused=True)
    found = look(path)
    assert (found.rows, found.refused_rows) == (19, 4)
    assert [one.number for one in found.refused] == [4, 9, 14, 19]
    read = found.reader()
    for places in ([0], [18], [2, 3, 11], list(range(19))):
        assert [judge(one) for one in read(np.array(places))] == [eager[place] for place in places]
    assert read(np.array([], dtype=np.int64)) == []


def test_refused_rows_are_named_or_left_out(tmp_path):
    found = look(written(tmp_path, [("a", "x"), (None, "x"), ("b", "y")], "csv"))
    with pytest.raises(DataError, match=r"rows.csv: 1 of 3 rows cannot be used: row 2 \(line 3\): empty text"):
        found.usable(skip_refused=False)
    found.usable(skip_refused=True)
    with pytest.raises(DataError, match="1 of 1 rows cannot be used"):
        look(written(tmp_path, [(None, "x")], "csv"), key="other").usable(skip_refused=True)


def test_what_was_found_is_kept(tmp_path):
    path = written(tmp_path, [("a", "x"), ("b", "y")], "csv")
    first = look(path)
    again = surveyed(records_of(path), None, ["text", "label"], "key", unheard)
    assert (again.rows, again.labels) == (first.rows, first.labels) == (2, ("x", "y"))


def texts(subset):
    return [record.fields["text"] for record in subset.survey.reader()(subset.places.read(0, len(subset)))]


def test_parts_hold_every_text_once_and_none_in_two(tmp_path):
    rows = [(f"text {i % 150}", "ab"[i % 150 % 2]) for i in range(200)] + [("TEXT 1", "b"), ("text 2", "b")]
    found = look(written(tmp_path, rows, "csv"))
    parts = part_large(found, test_rows=0.2, validation_rows=15, seed=3)
    there = [texts(part) for part in (parts.train, parts.validation, parts.test)]
    # 2 occurs with two labels: its three rows are out; of the others the first of each is kept
    assert sorted(text for part in there for text in part) == sorted(f"text {i}" for i in range(150) if i != 2)
    assert (parts.duplicates, parts.contradictions) == (50, 3)
    assert 15 < len(there[2]) < 50
    assert 3 < len(there[1]) < 30


def test_where_a_text_falls_depends_on_the_seed_and_not_on_the_file(tmp_path):
    rows = [(f"text {i}", "ab"[i % 2]) for i in range(120)]
    forward = part_large(look(written(tmp_path, rows, "csv")), test_rows=0.3, validation_rows=0.1, seed=0)
    back = part_large(look(written(tmp_path, rows[::-1], "jsonl"), "back"), test_rows=0.3, validation_rows=0.1, seed=0)
    other = part_large(look(written(tmp_path, rows, "csv")), test_rows=0.3, validation_rows=0.1, seed=1)
    assert set(texts(forward.test)) == set(texts(back.test)) != set(texts(other.test))


def test_parts_that_cannot_be_made(tmp_path):
    found = look(written(tmp_path, [("a", "x"), ("b", "y"), ("c", "y")], "csv"))
    with pytest.raises(DataError, match="2 rows to test and 1 to validate leave none of 3"):
        part_large(found, test_rows=2, validation_rows=1, seed=0)
    with pytest.raises(DataError, match="no row falls into the"):
        part_large(found, test_rows=0.001, validation_rows=0.001, seed=0)


def test_a_sample_is_spread_evenly(tmp_path):
    found = look(written(tmp_path, [(f"text {i}", "ab"[i % 2]) for i in range(50)], "csv"))
    part = part_large(found, test_rows=0.1, validation_rows=0.1, seed=0).train
    every = [row.text for row in part.sample(judge, 100)]
    assert every == texts(part)
    assert [row.text for row in part.sample(judge, 3)] == [every[0], every[(len(every) - 1) // 2], every[-1]]
