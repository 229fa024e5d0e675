"""The gate of `rows` finds rows that are left out, come twice, or are others'; both peers pass it."""

import pytest

from benchmarks.harness import GateError
from benchmarks.rows import Mapped, gate, ours, plain, trainer
from benchmarks.rows_file import padded, prepared, write
from regard.tasks.readers.lazy_part import stored_part

ROWS = 3000


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("REGARD_CACHE", str(tmp_path / "cache"))
    write(tmp_path / "rows.csv", ROWS)
    monkeypatch.setattr("benchmarks.rows_file.part_large", _few_held_out)
    return prepared(tmp_path / "rows.csv", ROWS, lambda what, seconds: None)


def _few_held_out(survey, **asked):
    from regard.tasks.readers.large_parts import part_large

    return part_large(survey, **(asked | {"test_rows": 100, "validation_rows": 100}))


def test_both_peers_see_every_row_once(store):
    assert 2600 < len(store) < 2950
    gate("ours", ours(stored_part(store, padded)), store)
    gate("plain", plain(Mapped(store)), store)


def test_a_peer_that_leaves_out_or_repeats_is_found(store):
    batches = list(ours(stored_part(store, padded)))
    for wrong in (batches[1:], [*batches, batches[0]], [*batches[1:], batches[1]]):
        with pytest.raises(GateError, match="expected each of"):
            gate("wrong", iter(wrong), store)


def test_both_peers_give_the_same_rows_the_same_way(store):
    def rows(batches):
        return {
            int(number): (ids[:length].tolist(), int(target))
            for batch in batches
            for number, ids, length, target in zip(batch.numbers, batch.ids, batch.lengths, batch.targets, strict=True)
        }

    assert rows(ours(stored_part(store, padded))) == rows(plain(Mapped(store)))


def test_training_goes_on_into_the_next_epoch(store):
    part = stored_part(store, padded)
    begun = []

    def epochs():
        begun.append(1)
        return ours(part)

    step = trainer(epochs)
    assert step() > 0
    assert step() > 0  # 100 batches of 64 are more than two epochs
    assert len(begun) >= 2
