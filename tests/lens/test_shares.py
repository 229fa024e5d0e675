import pytest

from regard.lens.shares import percent


@pytest.mark.parametrize(
    ("share", "digits", "told"),
    [
        (0.25, 0, "25%"),
        (0.996, 0, "99.6%"),
        (0.9996, 1, "99.96%"),
        (1.0, 1, "100%"),
        (0.0, 0, "0%"),
        (0.004, 0, "0.4%"),
        (1 - 1e-12, 0, "more than 99.999999%"),
        (1e-12, 0, "less than 0.000001%"),
    ],
)
def test_only_all_of_it_is_told_as_all_of_it(share, digits, told):
    assert percent(share, digits=digits) == told
