"""Data sets for tests marked `data`: skipped loudly where they are not in the cache, failed in CI."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from regard.tasks.sources import cached, command, source


@pytest.fixture
def needed() -> Callable[[str], Path]:
    """name -> the data set's csv, out of the cache."""

    def find(name: str) -> Path:
        path = cached(source(name))
        if path is None:
            missing = f"{name} is not in the cache; type: {command(source(name))}"
            if os.environ.get("CI"):
                pytest.fail(missing)
            pytest.skip(missing)
        return path

    return find
