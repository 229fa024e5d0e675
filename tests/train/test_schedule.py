"""Learning rates at steps that can be worked out by hand."""

import pytest

from regard.spec.errors import SpecError
from regard.train.schedule import Schedule


def test_warm_up_rises_evenly_to_the_peak():
    schedule = Schedule("constant", 0.8, steps=10, warmup=4)
    assert [schedule.rate(step) for step in range(6)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8, 0.8])


def test_cosine_is_half_way_down_half_way_through():
    schedule = Schedule("cosine", 0.6, steps=24, warmup=4)
    assert schedule.rate(4) == 0.6
    assert schedule.rate(14) == pytest.approx(0.3)
    assert 0 < schedule.rate(23) < 0.01
    assert Schedule("cosine", 0.6, steps=4).rate(0) == 0.6


def test_rates_are_never_negative_nor_above_the_peak():
    for kind in ("constant", "cosine"):
        rates = [Schedule(kind, 1.0, steps=50, warmup=7).rate(step) for step in range(50)]
        assert min(rates) > 0
        assert max(rates) == 1.0


@pytest.mark.parametrize("warmup", [-1, 10, 11])
def test_a_warm_up_that_does_not_end_is_refused(warmup):
    with pytest.raises(SpecError, match="of 10 steps"):
        Schedule("cosine", 1.0, steps=10, warmup=warmup)
