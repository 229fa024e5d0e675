"""One thread, one seed, a clean planner, and one hypothesis profile for every test."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import torch

from regard.engine import attend as engine

if not torch.cuda.is_available():  # before anything imports triton: its kernels then run in Python, on CPU tensors
    os.environ.setdefault("TRITON_INTERPRET", "1")

sys.path.insert(0, str(Path(__file__).parents[1]))  # so that tests can share `tests.comparison` and the like

# the same examples each time, so that a red run can be run again; HYPOTHESIS_PROFILE=search looks for new ones
hypothesis.settings.register_profile("same", derandomize=True, deadline=None, print_blob=True)
hypothesis.settings.register_profile("search", deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(7)
    engine._CHOSEN.clear()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def chromium():
    """A browser for the pages' tests, one for all of them: playwright starts once a thread."""
    found = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )
    if found is None:
        why = "pages are tested in a browser, and there is no chromium here; type: sudo apt-get install chromium"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()
