"""Where a step lies among epochs of different lengths."""

import pytest

from regard.train.epochs import Epochs, epochs_of


class Uneven:
    def steps(self, epoch):
        return [3, 2, 4][epoch]


def test_steps_are_counted_over_epochs_that_differ():
    epochs = epochs_of(Uneven(), 3)
    assert epochs == Epochs((3, 5, 9))
    assert (epochs.steps, len(epochs)) == (9, 3)
    assert [epochs.at(step) for step in range(9)] == [
        (0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2), (2, 3),
    ]  # fmt: skip
    assert [epochs.done(step) for step in (0, 2, 3, 4, 5, 8, 9)] == [0, 0, 1, 1, 2, 2, 3]
    with pytest.raises(StopIteration):
        epochs.at(9)
