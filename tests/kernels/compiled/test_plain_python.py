"""The loops as plain Python over NumPy arrays, where an index that is out of range is an error."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import torch
from tests.focus_ways import check, needed
from tests.looks import POLICY, causal, look

needed()


@pytest.mark.parametrize("bits", [4, 8, 16])
@pytest.mark.parametrize(("groups", "keys", "most"), [(1, 41, 20), (2, 27, 9), (1, 33, 99), (3, 16, 5)])
@pytest.mark.parametrize("masked", [False, True])
def test_no_index_is_out_of_range(
    plain: ModuleType, bits: int, groups: int, keys: int, most: int, masked: bool
) -> None:
    allowed = causal(2, keys, [0, 3]) if masked else None
    policy = replace(POLICY, bits=bits)
    made = look(
        keys=keys, groups=groups, most=max(most, 16 * masked), dim=5, value_dim=3, policy=policy, allowed=allowed
    )
    check(made, plain)


def test_longer_rows(plain: ModuleType) -> None:
    """600 keys, in more than one run; 40 are picked, from a threshold that is guessed."""
    made = look(keys=600, lanes=1, rows=1, groups=1, dim=4, value_dim=3, most=40)
    assert check(made, plain)


def test_too_much_must_be_read_and_a_lost_head(plain: ModuleType) -> None:
    made = look(keys=33, dim=4, value_dim=3, most=20)
    made.query[0, 0, 1] = torch.nan
    output, _ = plain.looked(made)
    assert torch.isnan(output[0, 0, 1]).all()
    assert int(torch.isnan(output).sum()) == 3
    holes = torch.ones(1, 2, 33, dtype=torch.bool)
    holes[:, :, ::8] = False
    with pytest.raises(Exception, match="a finer grain than 8"):
        plain.looked(replace(made, allowed=holes))


def test_the_compiled_ones_are_still_there() -> None:
    from regard.kernels.compiled import floats

    assert hasattr(floats.exp2, "py_func")
    assert check(look())
    assert np.isfinite(floats.exp2(np.float32(-3)))
