"""Data sets and models for tests marked `data`: skipped loudly where they are not in the cache, failed in CI."""

import os
from pathlib import Path

import pytest

from regard.tasks.sources import cached, command, source


def needed(name: str) -> Path:
    """Its file or folder, out of the cache."""
    path = cached(source(name))
    if path is None:
        missing = f"{name} is not in the cache; type: {command(source(name))}"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return path
