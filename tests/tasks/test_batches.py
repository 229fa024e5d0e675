"""Batches: padding, order, and that every row is seen once an epoch."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from regard.tasks.batches import BatchOrder, encoded, in_order_of_length

PART = encoded([[5, 6, 7], [8], [9, 10]], [0, 1, 1])


def test_a_batch_is_padded_at_the_end():
    batch = PART.batch(np.array([2, 0]))
    assert batch.ids.tolist() == [[9, 10, 0], [5, 6, 7]]
    assert batch.lengths.tolist() == [2, 3]
    assert batch.targets.tolist() == [1, 0]
    assert len(batch) == 2
    assert batch.ids.dtype == batch.lengths.dtype == batch.targets.dtype == torch.int64


def test_a_part_knows_its_lengths():
    assert PART.lengths.tolist() == [3, 1, 2]
    assert len(PART) == 3


@given(
    lengths=st.lists(st.integers(1, 300), min_size=1, max_size=400),
    batch=st.integers(1, 17),
    seed=st.integers(0, 5),
    epoch=st.integers(0, 3),
)
def test_every_row_is_in_one_batch_of_every_epoch(lengths, batch, seed, epoch):
    order = BatchOrder(np.array(lengths), batch, seed)
    batches = order.epoch(epoch)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert len(batches) == len(order)
    assert sorted(map(len, batches))[1:] == [batch] * (len(batches) - 1)  # one may be smaller


def test_order_depends_on_seed_and_epoch_alone():
    lengths = np.arange(1, 101)

    def shape(seed, epoch):
        return [rows.tolist() for rows in BatchOrder(lengths, 8, seed).epoch(epoch)]

    assert shape(0, 3) == shape(0, 3)
    assert shape(0, 3) != shape(0, 4)
    assert shape(0, 3) != shape(1, 3)


def test_texts_of_like_length_are_together():
    lengths = np.random.default_rng(0).integers(1, 500, size=2000)
    padded = sum(lengths[rows].max() * len(rows) for rows in BatchOrder(lengths, 20, 0).epoch(0))
    shuffled = sum(
        lengths[rows].max() * len(rows) for rows in np.random.default_rng(1).permutation(2000).reshape(-1, 20)
    )
    assert padded < 1.05 * lengths.sum()
    assert shuffled > 1.5 * lengths.sum()  # what buckets spare


def test_evaluation_goes_from_short_to_long():
    assert [rows.tolist() for rows in in_order_of_length(np.array([3, 1, 2, 1]), 3)] == [[1, 3, 2], [0]]
