"""Where numba's loops run as plain Python (NUMBA_DISABLE_JIT), arithmetic that overflows warns: not here."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _quietly() -> Iterator[None]:
    with np.errstate(all="ignore"):
        yield


@pytest.fixture(scope="session")
def plain() -> ModuleType:
    """Another copy of compiled.look and the modules below it, that numba has not compiled."""
    from tests.kernels.compiled.uncompiled import uncompiled  # needs numba, which not all tests here have

    with uncompiled() as imported:
        made = imported("look")
        made.looking()  # it is kept
        imported("picking").LONG = 64  # so that thresholds are guessed here as well
        made.steps = imported("lanes")  # where the steps are called
    return made
