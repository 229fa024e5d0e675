"""Scores of numbers, by hand and beside scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics

from regard.spec.errors import DataError
from regard.tasks.scores.numbers import explained_share, mean_absolute_error, root_mean_square_error

TRUE, FOUND = [1.0, 2.0, 3.0, 6.0], [1.0, 4.0, 3.0, 2.0]


def test_by_hand():
    values = [one(FOUND, TRUE, protocol="p").value for one in (mean_absolute_error, root_mean_square_error)]
    assert values == [6 / 4, (20 / 4) ** 0.5]
    assert explained_share(FOUND, TRUE, protocol="p").value == pytest.approx(1 - 20 / 14)
    assert explained_share([3.0] * 4, TRUE, protocol="p").value == pytest.approx(0)  # the mean explains nothing
    assert (mean_absolute_error.better, explained_share.better) == ("lower", "higher")


def test_as_scikit_learn_has_them_at_any_level():
    draw = np.random.default_rng(0)
    true = 1e6 + draw.normal(size=200)
    found = true + draw.normal(size=200) / 3
    assert mean_absolute_error(found, true, protocol="p").value == pytest.approx(
        metrics.mean_absolute_error(true, found)
    )
    assert explained_share(found, true, protocol="p").value == pytest.approx(metrics.r2_score(true, found))
    rooted = root_mean_square_error(found, true, protocol="p")
    assert rooted.value == pytest.approx(metrics.root_mean_squared_error(true, found))
    assert rooted.low < rooted.value < rooted.high


def test_what_is_no_number_is_refused():
    with pytest.raises(DataError, match=r"answer 1 .* is NaN"):
        mean_absolute_error([1.0, float("nan")], [1.0, 2.0], protocol="p")
    with pytest.raises(DataError, match=r"expected \(rows,\) each"):
        mean_absolute_error([[1.0]], [1.0], protocol="p")
