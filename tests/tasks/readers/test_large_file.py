"""Memory does not grow with rows: ten times as many through the whole way of training data."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("large_file.py")
_MORE = 25_000  # kilobytes that ten times as many rows may take; read as Python values they are nearly twice that


def peak(folder, rows):
    """Kilobytes of memory, at most, of a process that surveys, parts, encodes and goes through so many rows."""
    folder.mkdir()
    environment = os.environ | {"REGARD_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(SCRIPT), str(folder), str(rows)]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert said.returncode == 0, said.stderr
    return int(said.stdout.split()[0])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is counted in kilobytes on Linux only")
def test_ten_times_as_many_rows_take_no_more_memory(tmp_path):
    assert peak(tmp_path / "large", 200_000) - peak(tmp_path / "small", 20_000) < _MORE
