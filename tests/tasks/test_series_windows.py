"""Windows of series by hand: where forecasts begin, what gaps do, and that nothing of the future is in the past."""

import numpy as np
import pytest

from regard.spec.errors import DataError
from regard.tasks.readers.regular import Regular
from regard.tasks.scores.forecasts import seasonal_scale
from regard.tasks.sections import DataSettings
from regard.tasks.series_laid import parted_by_time
from regard.tasks.series_windows import Laid, WindowPart, origins_of, seasonal_error


def one(length=20, missing=(), name="a", start=0):
    values, observed = np.arange(1.0, length + 1), np.ones(length, dtype=bool)
    observed[list(missing)] = False
    values[~observed] = 0
    return Regular(name, start + np.arange(length), values, observed, np.empty((length, 0)))


def part(series, origins, *, context=4, horizon=2, scales=(1.0, 1.0)):
    sizes = [len(each) for each in series]
    laid = Laid(
        np.concatenate([each.times for each in series]),
        np.concatenate([each.values for each in series]),
        np.concatenate([each.observed for each in series]),
        np.empty((sum(sizes), 0), dtype=np.float32),
        np.arange(sum(sizes), dtype=np.float32)[:, None],
        np.concatenate([[0], np.cumsum(sizes)]),
        tuple(each.name for each in series),
        np.array(scales[: len(series)]),
    )
    return WindowPart(laid, np.array(origins), context, horizon, counts=3)


def origins(series, spans, **more):
    asked = {"context": 4, "horizon": 2, "every": 1, "last": False} | more
    found, left = origins_of(series, spans, **asked)
    return found.tolist(), left


def test_forecasts_begin_after_enough_past_and_end_within_the_part():
    assert origins([one(10)], [(0, 10)]) == ([4, 5, 6, 7, 8], 0)
    assert origins([one(10)], [(6, 10)]) == ([6, 7, 8], 0)  # its past reaches back before the part
    assert origins([one(10)], [(0, 10)], every=3) == ([4, 7], 0)
    assert origins([one(10)], [(0, 10)], every=3, last=True) == ([5, 8], 0)  # the last steps are foretold
    assert origins([one(5)], [(0, 5)]) == ([], 0)
    assert origins([one(10), one(10)], [(0, 6), (0, 6)]) == ([4, 14], 0)  # places over all series


def test_a_gap_in_the_future_leaves_it_out_one_in_the_past_is_masked():
    found, left = origins([one(10, missing=[6])], [(0, 10)])
    assert (found, left) == ([4, 7, 8], 2)  # 5 and 6 would foretell step 6
    assert origins([one(10, missing=[4, 5, 6])], [(0, 10)])[0] == []  # of 7's past one step of four is there


def test_a_batch_holds_the_past_its_mask_and_what_is_known_ahead():
    batch = part([one(10, missing=[2])], [4, 6]).batch(np.array([1, 0]))
    assert batch.values[..., 0].tolist() == [[0, 4, 5, 6], [1, 2, 0, 4]]
    assert batch.observed[..., 0].tolist() == [[False, True, True, True], [True, True, False, True]]
    assert batch.targets.tolist() == [[7, 8], [5, 6]]
    assert batch.known[0, :, 0].tolist() == [2, 3, 4, 5, 6, 7]
    assert batch.times[1].tolist() == [0, 1, 2, 3, 4, 5]
    assert (len(batch), batch.tokens, batch.places) == (2, 6, 6)


def test_nothing_that_came_later_is_in_a_batch_but_its_targets():
    series = one(12)
    before = part([series], [6]).batch(np.array([0]))
    series.values[6:] = -99
    after = part([series], [6]).batch(np.array([0]))
    assert before.values.tolist() == after.values.tolist()
    assert before.targets.tolist() != after.targets.tolist()


def test_each_row_has_the_scale_of_its_own_series():
    whole = part([one(10), one(10, name="b")], [4, 14], scales=(2.0, 5.0))
    assert [truth.scale for truth in whole.truths] == [2, 5]
    assert [truth.values.tolist() for truth in whole.truths] == [[5, 6], [5, 6]]
    assert whole.batch(np.array([0, 1])).units.tolist() == [2, 5]


def test_what_stands_for_a_gap_in_methods_that_need_all_steps():
    series = one(6, missing=[1])
    assert part([series], [6], context=6, horizon=0).pasts(season=2).tolist() == [[1, 4, 3, 4, 5, 6]]
    lonely = Regular("a", np.arange(3), np.array([1.0, 0, 3]), np.array([True, False, True]), np.empty((3, 0)))
    assert part([lonely], [3], context=3, horizon=0).pasts(season=3).tolist() == [[1, 2, 3]]  # its mean


def test_the_scale_is_the_fields_own_without_gaps_and_skips_them_with_some():
    values = np.array([1.0, 4, 2, 8, 3, 3])
    series = Regular("a", np.arange(6), values, np.ones(6, dtype=bool), np.empty((6, 0)))
    assert seasonal_error(series, 6, 2) == seasonal_scale(values, 2) == (1 + 4 + 1 + 5) / 4
    assert seasonal_error(series, 4, 2) == (1 + 4) / 2
    gap = Regular("a", np.arange(6), values, np.array([True, False, True, True, True, True]), np.empty((6, 0)))
    assert seasonal_error(gap, 6, 2) == (1 + 1 + 5) / 3
    assert seasonal_error(series, 2, 2) is None
    assert (
        seasonal_error(Regular("a", np.arange(3), np.ones(3), np.ones(3, dtype=bool), np.empty((3, 0))), 3, 1) is None
    )


def test_dates_are_parted_at_one_moment_numbered_steps_each_from_its_end():
    long, late = one(20), one(14, name="b", start=4)  # b ends two steps before a
    data = DataSettings(path="x", test_rows=4, validation_rows=3)
    spans = parted_by_time([long, late], data, dates=True)
    assert spans == {"train": [(0, 13), (0, 9)], "validation": [(13, 16), (9, 12)], "test": [(16, 20), (12, 14)]}
    assert {late.times[start] for start, _ in spans["test"][1:]} == {16}
    spans = parted_by_time([long, late], data, dates=False)
    assert spans["test"] == [(16, 20), (10, 14)]
    shares = parted_by_time([long], DataSettings(path="x", test_rows=0.2, validation_rows=0.1), dates=True)
    assert shares == {"train": [(0, 14)], "validation": [(14, 16)], "test": [(16, 20)]}
    kept = parted_by_time([long], DataSettings(path="x", test_rows=4, validation_rows=3, train_rows=5), dates=True)
    assert kept["train"] == [(8, 13)]
    with pytest.raises(DataError, match="20 times, of which 15 to test and 5 to validate"):
        parted_by_time([long], DataSettings(path="x", test_rows=15, validation_rows=5), dates=True)
