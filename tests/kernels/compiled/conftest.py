"""Where numba's loops run as plain Python (NUMBA_DISABLE_JIT), arithmetic that overflows warns: not here."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _quietly() -> Iterator[None]:
    with np.errstate(all="ignore"):
        yield
