"""Which epoch is the better one, whichever way a score points."""

import pytest

from regard.train.best import is_better
from regard.train.state import State

NAN = float("nan")


@pytest.mark.parametrize(
    ("value", "loss", "lower", "better"),
    [
        (0.6, 9.0, False, True),
        (0.4, 0.1, False, False),
        (0.5, 0.9, False, True),  # equal scores: the lower loss
        (0.5, 1.0, False, False),
        (0.4, 9.0, True, True),
        (0.6, 0.1, True, False),
        (NAN, 0.1, False, False),
        (NAN, 0.1, True, False),
    ],
)
def test_better_than_half_with_a_loss_of_one(value, loss, lower, better):
    assert is_better(State(best=0.5, best_loss=1.0, best_epoch=2), value, loss, lower=lower) is better


def test_the_first_epoch_is_the_best_so_far_and_a_number_beats_none():
    assert is_better(State(), -5.0, 3.0, lower=False)
    assert is_better(State(), NAN, 3.0, lower=False)
    assert is_better(State(best=NAN, best_epoch=1), 7.0, 3.0, lower=True)
