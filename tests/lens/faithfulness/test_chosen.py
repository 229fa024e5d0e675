"""Which explanation is chosen, and whether it is told apart from the others."""

import pytest

from regard.lens.faithfulness import Measured, choose


def measured(way="mask", **balances):
    """One input; of each explanation comprehensiveness less sufficiency."""
    values = {name: {"comprehensiveness": one, "sufficiency": 0.0} for name, one in balances.items()}
    for name in ("random", "position", "reverse"):
        values.setdefault(name, {"comprehensiveness": 0.0, "sufficiency": 0.0})
    return Measured(way=way, units=4, whole=0.9, values=values, left={}, drawn=())


def test_what_is_ahead_on_every_input_is_told_apart():
    found = choose([measured(one=0.5 + at / 100, other=0.2) for at in range(20)])
    assert (found.name, found.tied, found.told_apart) == ("one", (), True)
    assert found.why.endswith("measured on 20 inputs (mask): 0.595; other 0.200; random 0.000")


def test_a_lead_that_may_be_chance_is_said_to_be():
    """Of 20 inputs each is ahead on 10, by 0.2; the one by a hair more in the mean."""
    rows = [measured(one=0.5 + 0.01, other=0.3) for _ in range(10)] + [measured(one=0.3, other=0.5) for _ in range(10)]
    found = choose(rows)
    assert (found.name, found.tied, found.told_apart) == ("one", ("other",), True)
    assert found.why.endswith("; not told apart from other on these inputs: the largest mean decided")


def test_of_equals_the_first_is_taken_and_the_others_are_named():
    found = choose([measured(one=0.364, two=0.364, three=0.364 - 1e-12, four=0.1)])
    assert found.name == "one"
    assert (
        "two and three did as well: of equals the one that stands first in the table of methods was taken" in found.why
    )


def test_one_input_tells_no_methods_apart():
    found = choose([measured(one=0.5, other=0.1)])
    assert (found.tied, found.told_apart) == (("other",), False)
    assert "measured on this input alone (mask): 0.500" in found.why
    assert found.why.endswith("one input cannot tell methods apart: the largest figure decided")


def test_one_input_under_several_ways_is_still_one_input():
    found = choose([measured(way, one=0.5, other=0.1) for way in ("mask", "zero", "mean")])
    assert (found.tied, found.told_apart) == (("other",), False)


@pytest.mark.parametrize("others", [4, 9])
def test_many_equals_are_counted_not_listed(others):
    found = choose([measured(one=0.5, **{f"m{at}": 0.5 for at in range(others)})])
    assert f"m0, m1, m2 and {others - 3} more did as well" in found.why
