"""The order of rows that do not fit into memory: every row once, the same when asked again, mixed, little padding."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regard.tasks.part import BatchSize
from regard.tasks.readers.chunk_order import ChunkOrder


def order_of(lengths, size=None, *, seed=0, chunk=4, about=20):
    lengths = np.asarray(lengths)
    return ChunkOrder(len(lengths), lambda a, b: lengths[a:b], size or BatchSize(3), seed, chunk, about)


def rows_of(order, epoch=0, start=0):
    return [batch.tolist() for batch in order.batches(epoch, start)]


@given(
    rows=st.integers(1, 90),
    batch=st.integers(1, 7),
    chunk=st.integers(1, 9),
    about=st.integers(1, 40),
    tokens=st.none() | st.integers(1, 30),
)
def test_every_row_occurs_once_and_any_start_gives_the_rest(rows, batch, chunk, about, tokens):
    lengths = np.random.default_rng(rows).integers(1, 9, rows)
    order = order_of(lengths, BatchSize(batch, tokens), chunk=chunk, about=about)
    batches = rows_of(order, epoch=2)
    assert sorted(row for one in batches for row in one) == list(range(rows))
    assert len(batches) == order.steps(2)
    for start in range(len(batches) + 1):
        assert rows_of(order, 2, start) == batches[start:]


@given(st.integers(1, 8), st.integers(4, 40))
def test_a_batch_keeps_to_its_tokens(batch, tokens):
    lengths = np.random.default_rng(tokens).integers(1, 12, 70)
    for one in rows_of(order_of(lengths, BatchSize(batch, tokens))):
        longest = max(lengths[row] for row in one)
        assert len(one) <= batch
        assert len(one) == 1 or len(one) * longest <= tokens


def test_only_the_last_batch_is_smaller():
    sizes = sorted(len(one) for one in rows_of(order_of([1] * 50)))
    assert sizes == [2] + [3] * 16
    assert order_of([1] * 50).steps(0) == 17


def test_the_order_is_a_function_of_seed_and_epoch():
    lengths = [1] * 60
    assert rows_of(order_of(lengths)) == rows_of(order_of(lengths))
    assert rows_of(order_of(lengths), 0) != rows_of(order_of(lengths), 1)
    assert rows_of(order_of(lengths)) != rows_of(order_of(lengths, seed=1))
    one_chunk = order_of([1] * 12, chunk=12, about=12)  # its chunks have one order only
    assert rows_of(one_chunk, 0) != rows_of(one_chunk, 1)


def test_rows_of_a_sorted_file_are_mixed():
    # 4,000 rows, the first half of one class: with pools of 8 chunks a batch of 64 has some of both
    order = order_of([1] * 4096, BatchSize(64), chunk=64, about=1024)
    shares = [np.mean(np.array(batch) < 2048) for batch in rows_of(order)]
    assert min(shares) > 0.05
    assert max(shares) < 0.95


def test_neighbours_in_a_batch_are_of_like_length():
    lengths = np.random.default_rng(0).integers(1, 200, 4096)
    order = order_of(lengths, BatchSize(32), chunk=64, about=2048)
    longest = sum(len(one) * max(lengths[row] for row in one) for one in rows_of(order))
    assert lengths.sum() / longest > 0.93  # padding under 7 %


@pytest.mark.parametrize("start", [0, 1, 13, 40])
def test_a_start_reads_no_lengths_before_its_pool(start):
    asked = []
    order = ChunkOrder(120, lambda a, b: asked.append((a, b)) or np.ones(b - a, dtype=np.int64), BatchSize(3), 0, 4, 20)
    next(order.batches(0, start), None)
    assert sum(b - a for a, b in asked) <= order.pool
