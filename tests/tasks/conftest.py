from collections.abc import Callable
from pathlib import Path

import pytest
from tests import data_sets


@pytest.fixture
def needed() -> Callable[[str], Path]:
    """name -> the data set's csv, out of the cache."""
    return data_sets.needed
