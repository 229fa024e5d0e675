"""Words with tags: one of each, in lists of one length."""

import json

import pyarrow as pa
import pyarrow.parquet as pq

from regard.tasks.readers.tagged import read_tagged


def test_sentences_and_what_is_refused(table, reasons):
    rows = [
        {"tokens": ["The", "jury"], "tags": ["at", "nn"], "group": "ca01"},
        {"tokens": ["The"], "tags": ["at", "nn"], "group": "ca01"},
        {"tokens": [], "tags": [], "group": "ca01"},
        {"tokens": "The", "tags": ["at"], "group": "ca01"},
        {"tokens": ["a", " "], "tags": ["x", "y"], "group": "ca01"},
        {"tokens": ["a"], "tags": [7], "group": "ca01"},
        {"tokens": ["a"], "tags": ["x"]},
        {"tokens": ["\ud800"], "tags": ["x"], "group": "ca01"},
    ]
    reading = read_tagged(table("rows.jsonl", *map(json.dumps, rows)))
    assert [(row.tokens, row.tags, row.group) for row in reading.rows] == [(("The", "jury"), ("at", "nn"), "ca01")]
    assert reasons(reading) == {
        2: "2 tags for 1 tokens, expected one for each",
        3: "column 'tokens' holds no list of texts",
        4: "column 'tokens' holds no list of texts",
        5: "column 'tokens' holds ' ' at place 2, expected text",
        6: "column 'tags' holds 7 at place 1, expected text",
        7: "no group in column 'group'",
        8: "broken UTF-8 in column 'tokens' at place 1: \\ud800 after 0 characters",
    }


def test_parquet_lists_and_words_to_be_tagged(tmp_path):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"words": [["a", "b"], ["A", "b"]]}), path)
    first, second = read_tagged(path, tokens="words", tags=None).rows
    assert (first.tokens, first.tags) == (("a", "b"), ())
    assert first.identity.given != second.identity.given  # case may decide a tag
