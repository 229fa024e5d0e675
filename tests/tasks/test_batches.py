"""Batches: padding, order, and that every row is seen once an epoch."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from regard.spec.errors import SpecError
from regard.tasks.batches import BatchOrder, encoded, in_order_of_length, order_of
from regard.tasks.part import BatchSize

PART = encoded([[5, 6, 7], [8], [9, 10]], [0, 1, 1])


def test_a_batch_is_padded_at_the_end():
    batch = PART.batch(np.array([2, 0]))
    assert batch.ids.tolist() == [[9, 10, 0], [5, 6, 7]]
    assert batch.lengths.tolist() == [2, 3]
    assert batch.targets.tolist() == [1, 0]
    assert len(batch) == 2
    assert (batch.tokens, batch.places) == (5, 6)
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
    order = BatchOrder(np.array(lengths), BatchSize(batch), seed)
    batches = list(order.batches(epoch))
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert len(batches) == order.steps(epoch)
    assert sorted(map(len, batches))[1:] == [batch] * (len(batches) - 1)  # one may be smaller


def test_order_depends_on_seed_and_epoch_alone():
    lengths = np.arange(1, 101)

    def shape(seed, epoch):
        return [rows.tolist() for rows in BatchOrder(lengths, BatchSize(8), seed).batches(epoch)]

    assert shape(0, 3) == shape(0, 3)
    assert shape(0, 3) != shape(0, 4)
    assert shape(0, 3) != shape(1, 3)


def test_texts_of_like_length_are_together():
    lengths = np.random.default_rng(0).integers(1, 500, size=2000)
    padded = sum(lengths[rows].max() * len(rows) for rows in BatchOrder(lengths, BatchSize(20), 0).batches(0))
    shuffled = sum(
        lengths[rows].max() * len(rows) for rows in np.random.default_rng(1).permutation(2000).reshape(-1, 20)
    )
    assert padded < 1.05 * lengths.sum()
    assert shuffled > 1.5 * lengths.sum()  # what buckets spare


def test_evaluation_goes_from_short_to_long():
    assert [rows.tolist() for rows in in_order_of_length(np.array([3, 1, 2, 1]), 3)] == [[1, 3, 2], [0]]


@given(
    lengths=st.lists(st.integers(1, 300), min_size=1, max_size=400),
    rows=st.integers(1, 40),
    tokens=st.integers(1, 3000),
    epoch=st.integers(0, 3),
)
def test_a_step_of_so_many_tokens_keeps_to_them_and_to_its_rows(lengths, rows, tokens, epoch):
    lengths = np.array(lengths)
    order = BatchOrder(lengths, BatchSize(rows, tokens), 7)
    batches = list(order.batches(epoch))
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert len(batches) == order.steps(epoch)
    for batch in batches:
        assert len(batch) <= rows
        assert len(batch) == 1 or lengths[batch].max() * len(batch) <= tokens


def test_steps_of_a_token_count_are_full_and_padding_is_small():
    lengths = np.random.default_rng(0).integers(1, 500, size=4000)
    batches = list(BatchOrder(lengths, BatchSize(4000, 4000), 0).batches(0))
    places = [lengths[batch].max() * len(batch) for batch in batches]
    assert np.mean(places) > 0.85 * 4000
    assert 1 - lengths.sum() / sum(places) < 0.05


@pytest.mark.parametrize("size", [BatchSize(7), BatchSize(50, 900)])
def test_an_epoch_can_be_gone_on_with_at_any_step(size):
    lengths = np.random.default_rng(3).integers(1, 90, size=200)
    order = BatchOrder(lengths, size, 1)
    whole = [rows.tolist() for rows in order.batches(2)]
    for start in (0, 1, len(whole) - 1, len(whole)):
        assert [rows.tolist() for rows in order.batches(2, start)] == whole[start:]


@pytest.mark.parametrize("wrong", [(0, None), (3, 0)])
def test_a_batch_of_nothing_is_refused(wrong):
    with pytest.raises(SpecError, match="expected at least 1 of each"):
        BatchSize(*wrong)


def test_a_part_that_brings_its_order_is_asked_for_it():
    class Own:
        def __len__(self):
            return 3

        def batch(self, rows):
            raise AssertionError

        def order(self, size, seed):
            return size, seed

    assert order_of(Own(), BatchSize(4), 9) == (BatchSize(4), 9)
    assert isinstance(order_of(PART, BatchSize(4), 9), BatchOrder)
