"""Labelled texts on disk: the same ids as in memory, batches for the loop, a cache that knows its vocabulary."""

import pytest

from regard.spec.errors import DataError
from regard.tasks.event import unheard
from regard.tasks.part import BatchSize, OrderedPart
from regard.tasks.readers.large_texts import encode_large, read_large
from regard.tasks.sections import TokenSettings
from regard.tasks.table import usable
from regard.tasks.table_reading import read_table
from regard.tasks.vocabulary import train_vocabulary

ROWS = 400


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv("REGARD_CACHE", str(tmp_path / "cache"))
    lines = [f"word{n} {'is here ' * (n % 4)},{'zab'[n % 3]}" for n in range(ROWS)]
    (tmp_path / "rows.csv").write_text("\n".join(["review,verdict", *lines, ",a"]) + "\n")
    return tmp_path / "rows.csv"


def read(path, *, skip_refused=True, listen=unheard, **changes):
    asked = {"columns": ("review", "verdict"), "test_rows": 0.1, "validation_rows": 0.1, "seed": 0} | changes
    return read_large(path, skip_refused=skip_refused, listen=listen, **asked)


def vocabulary_of(found, **changes):
    return train_vocabulary(found.sample(1000), TokenSettings(least=1).model_copy(update=changes), "words")


def test_what_is_trained_on_is_what_is_in_the_file(path):
    found = read(path)
    assert found.labels == ("a", "b", "z")
    vocabulary = vocabulary_of(found)
    train, validation, test = encode_large(found, vocabulary, unheard)
    assert isinstance(train, OrderedPart)
    assert len(train) + len(validation) + len(test) == ROWS
    rows = usable(read_table(path, text="review", label="verdict"), skip_refused=True)
    expected = {
        tuple(ids): found.labels.index(row.label)
        for row, ids in zip(rows, vocabulary.ids([r.text for r in rows]), strict=True)
    }
    seen = {}
    for batch in (train.batch(one) for one in train.order(BatchSize(32), 1).batches(0)):
        assert batch.tokens == int(batch.lengths.sum())
        for ids, length, target in zip(batch.ids, batch.lengths, batch.targets, strict=True):
            assert not ids[length:].any()
            seen[tuple(ids[:length].tolist())] = int(target)
    held = {tuple(ids.tolist()) for ids in found_ids(validation)} | {tuple(ids.tolist()) for ids in found_ids(test)}
    known = {ids: label for ids, label in expected.items() if ids not in held}
    # words that only held-out rows have are unknown, and so their rows alike: those of training are all told apart
    assert seen == known


def found_ids(part):
    return [part.flat[start:stop] for start, stop in zip(part.starts[:-1], part.starts[1:], strict=True)]


def test_refused_rows_stop_or_are_said(path):
    with pytest.raises(DataError, match=r"1 of 401 rows cannot be used: row 401 \(line 402\): empty text"):
        read(path, skip_refused=False)
    said = []
    read(path, listen=lambda event: said.append(event.text))
    assert said[-1] == "rows.csv: 1 rows cannot be used and are left out"


def test_another_vocabulary_is_encoded_anew(path):
    found = read(path)
    first, _, _ = encode_large(found, vocabulary_of(found), unheard)
    second, _, _ = encode_large(found, vocabulary_of(found, longest=1), unheard)
    assert int(second.lengths_of(0, len(second)).max()) == 2  # one id and the label
    assert int(first.lengths_of(0, len(first)).max()) > 2


def test_a_sample_is_of_training_texts_only(path):
    found = read(path)
    assert len(found.sample(50)) == 50
    held = {row.text for row in (*found.rows(found.parts.test), *found.rows(found.parts.validation))}
    assert held
    assert not held & set(found.sample(10_000))
