"""Packages that some tests need beyond the package's own: skipped loudly where one is missing, failed in CI."""

import importlib
import os
from types import ModuleType

import pytest


def package(module: str, installed_by: str) -> ModuleType:
    """The module. `installed_by`: what to install for it ("regard[text]", or a package that only tests use)."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        missing = f"{module} is not installed; type: pip install '{installed_by}'"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
