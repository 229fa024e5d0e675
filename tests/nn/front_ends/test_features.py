"""A token for each feature, by hand."""

import pytest
import torch

from regard.nn.front_ends import FeatureFrontEnd
from regard.spec.errors import DataError, ShapeError, SpecError


@pytest.fixture
def front():
    made = FeatureFrontEnd(2, [3, 2], 4)
    with torch.no_grad():
        made.slopes.copy_(torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0]]))
        made.offsets.copy_(torch.arange(4.0)[:, None].expand(4, 4))
        made.table.copy_(torch.arange(10.0, 15)[:, None].expand(5, 4))
        made.missing.fill_(-7)
    return made


def call(front, numbers, categories, present):
    return front(torch.tensor(numbers), torch.tensor(categories), torch.tensor(present))


def test_numbers_slope_categories_look_up_and_the_missing_have_a_vector(front):
    found = call(front, [[5.0, float("nan")]], [[2, 1]], [[True, False, True, True]])
    assert found.tokens[0].tolist() == [[5, 0, 0, 0], [1 - 7] * 4, [2 + 12] * 4, [3 + 14] * 4]
    found = call(front, [[5.0, 6.0]], [[99, 0]], [[True, True, False, True]])
    assert found.tokens[0].tolist() == [[5, 0, 0, 0], [1, 7, 1, 1], [2 - 7] * 4, [3 + 13] * 4]
    assert [unit.words() for unit in found.covered(0)] == ["feature 0", "feature 1", "feature 2", "feature 3"]
    assert (found.lengths, found.mask, front.longest) == (None, None, 4)


def test_numbers_are_standardised(front):
    front.standard.set([10, 0], [2, 1])
    found = call(front, [[14.0, 0.0]], [[0, 0]], [[True] * 4])
    assert found.tokens[0, 0].tolist() == [2, 0, 0, 0]


def test_numbers_alone_and_categories_alone():
    numbers = FeatureFrontEnd(2, [], 4)
    assert numbers(
        torch.ones(3, 2), torch.empty(3, 0, dtype=torch.int64), torch.ones(3, 2, dtype=torch.bool)
    ).tokens.shape == (3, 2, 4)
    categories = FeatureFrontEnd(0, [2], 4)
    assert categories(
        torch.ones(3, 0), torch.ones(3, 1, dtype=torch.int64), torch.ones(3, 1, dtype=torch.bool)
    ).tokens.shape == (3, 1, 4)


def test_what_cannot_be_built_or_read(front):
    for numbers, categories in ((0, []), (1, [0]), (-1, [2])):
        with pytest.raises(SpecError, match="FeatureFrontEnd"):
            FeatureFrontEnd(numbers, categories, 4)
    with pytest.raises(DataError, match=r"numbers\[0, 1\] is nan; say with present="):
        call(front, [[5.0, float("nan")]], [[2, 1]], [[True] * 4])
    with pytest.raises(DataError, match=r"categories\[0, 1\] is 2, and the column has 0 to 1"):
        call(front, [[5.0, 1.0]], [[2, 2]], [[True] * 4])
    with pytest.raises(ShapeError, match=r"expected numbers \(batch, 2\), categories \(batch, 2\)"):
        call(front, [[5.0]], [[2, 1]], [[True] * 4])
