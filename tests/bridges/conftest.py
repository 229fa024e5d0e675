from collections.abc import Callable
from pathlib import Path

import pytest
from tests.model_folders import saved


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """name -> the folder of a tiny model, written once."""
    root = tmp_path_factory.mktemp("models")

    def find(name: str) -> Path:
        place = root / name
        return place if place.is_dir() else saved(name, place)

    return find
