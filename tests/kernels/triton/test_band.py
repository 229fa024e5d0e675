"""Which masks are a band, and which; no kernel runs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from regard.kernels.triton.band import FAR, Band, band
from regard.spec import Causal, Mask, Prefix, Sinks, Window


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (None, Band(FAR, FAR)),
        (Causal(), Band(FAR, 0)),
        (Window(3, 2), Band(3, 2)),
        (Window(1 << 40, 0), Band(FAR, 0)),
        (Window(3, 2) & Causal(), Band(3, 0)),
        (Causal() & (Window(3, 2) & Window(5, 1)), Band(3, 0)),
        (Window(3, 2) | Causal(), None),
        (~Causal(), None),
        (Causal() & Prefix(3), None),
        (Sinks(2) & Window(3, 2), None),
    ],
    ids=repr,
)
def test_bands(mask: Mask | None, expected: Band | None) -> None:
    assert band(mask) == expected


def test_importing_regard_and_the_rows_imports_no_triton() -> None:
    code = "import sys, regard, regard.kernels.table_gpu; sys.exit('triton' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
