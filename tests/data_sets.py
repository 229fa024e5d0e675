"""Data sets and models for tests marked `data`: skipped loudly where they are not in the cache.

Those that `make data` fetches are there in CI, and missing there they fail. The others are too many megabytes to fetch
for each run of CI: there they are skipped too, and tested on machines that have them.
"""

import os
import re
from pathlib import Path

import pytest

from regard.tasks.sources import cached, command, source

_FETCHED = re.findall(r"regard data get (\S+)", (Path(__file__).parents[1] / "Makefile").read_text("utf-8"))


def needed(name: str) -> Path:
    """Its file or folder, out of the cache."""
    path = cached(source(name))
    if path is None:
        missing = f"{name} is not in the cache; type: {command(source(name))}"
        if os.environ.get("CI") and name in _FETCHED:
            pytest.fail(missing)
        pytest.skip(missing)
    return path
