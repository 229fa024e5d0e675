"""Linear models on tables."""

import numpy as np
import pytest

from regard.tasks.baselines.plain_tables import logistic_on_table, ridge


def test_a_line_is_found():
    draw = np.random.default_rng(0)
    train, test = draw.normal(size=(60, 2)), draw.normal(size=(10, 2))
    assert ridge(train, 3 * train[:, 0] - train[:, 1] + 5, test) == pytest.approx(
        3 * test[:, 0] - test[:, 1] + 5, abs=0.01
    )
    far = np.array([[-1.0, 0.0], [1.0, 0.0], [2.0, -1.0]])
    assert logistic_on_table(train, train[:, 0] > 0, far).tolist() == [0, 1, 1]
