"""A part on disk: it fits the loop's protocol, gives every row once, and reads each chunk once an epoch."""

import csv

import numpy as np
import pytest

from regard.spec.errors import DataError
from regard.tasks.event import unheard
from regard.tasks.part import BatchSize, OrderedPart
from regard.tasks.readers.chunk_order import CHUNK
from regard.tasks.readers.large_parts import part_large
from regard.tasks.readers.lazy_part import LazyPart, encoding, raw_part, stored_part
from regard.tasks.readers.pairs import pair
from regard.tasks.readers.records import records_of
from regard.tasks.readers.store import stored
from regard.tasks.readers.survey import surveyed

ROWS = 3 * CHUNK


def judge(record):
    return pair(record, "source", "target", None)


@pytest.fixture
def subset(tmp_path, monkeypatch):
    """The training part of a csv of pairs: row n is ("n n ... n", "n")."""
    monkeypatch.setenv("REGARD_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "rows.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([("source", "target"), *((f"{n} " * (n % 9 + 1), str(n)) for n in range(ROWS))])
    survey = surveyed(records_of(path), judge, ["source", "target"], "key", unheard)
    return part_large(survey, test_rows=50, validation_rows=50, seed=0).train


def encode(rows):
    return {
        "source": [[int(w) for w in row.source.split()] for row in rows],
        "target": [[int(row.target)] for row in rows],
    }


def epoch(part, size, number=0, start=0):
    order = part.order(size, 5)
    return [part.batch(rows) for rows in order.batches(number, start)]


def test_encoded_rows_come_once_each_and_whole(subset):
    store = stored(
        "s", dict.fromkeys(("source", "target"), "int32"), len(subset), encoding(subset, judge, encode), unheard
    )
    part = stored_part(store, lambda columns: list(zip(columns["source"], columns["target"], strict=True)))
    assert isinstance(part, OrderedPart)
    seen = [pair for batch in epoch(part, BatchSize(16)) for pair in batch]
    assert len(seen) == len(part) == len(subset) > ROWS - 160
    assert len({int(target[0]) for _, target in seen}) == len(subset)
    assert all(source.tolist() == [int(target[0])] * (int(target[0]) % 9 + 1) for source, target in seen)


def test_raw_rows_are_encoded_on_the_way(subset):
    part = raw_part(subset, judge, lambda columns: [row.target for row in columns["rows"]])
    assert isinstance(part, OrderedPart)
    batches = epoch(part, BatchSize(64))
    assert len({one for batch in batches for one in batch}) == len(subset)
    assert epoch(part, BatchSize(64), start=7) == batches[7:]
    places = subset.places.read(0, 40)
    sizes = [len(f"{n} ") * (n % 9 + 1) + len(f",{n}\r\n") for n in places]
    assert part.lengths_of(0, 40).tolist() == sizes


def test_each_chunk_is_read_once_an_epoch():
    read = []

    def chunk(start, stop):
        read.append(start // CHUNK)
        return {"row": list(range(start, stop))}

    part = LazyPart(100_000, chunk, lambda a, b: np.ones(b - a, dtype=np.int64), lambda columns: columns["row"])
    seen = [row for batch in epoch(part, BatchSize(100)) for row in batch]
    assert sorted(seen) == list(range(100_000))
    # a chunk that lies in two pools may be read in each
    assert len(read) <= -(-100_000 // CHUNK) + 4


def test_a_file_that_changed_under_way_is_refused(subset):
    path = subset.survey.records.path
    path.write_bytes(path.read_bytes().replace(b",", b" "))
    with pytest.raises((DataError, ValueError)):
        raw_part(subset, judge, list).batch(np.array([0]))
