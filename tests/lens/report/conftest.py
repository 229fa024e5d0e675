from __future__ import annotations

import os
import shutil

import pytest
from tests.lens.report.browsing import Opened

from regard.lens.report import report


@pytest.fixture(scope="session")
def chromium():
    found = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )
    if found is None:
        why = "the report is tested in a browser, and there is no chromium here; type: sudo apt-get install chromium"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_report(chromium, tmp_path):
    opened = []

    def make(trace, *, image=None, title=None, **view):
        path = report(trace, tmp_path / f"r{len(opened)}.html", image=image, title=title)
        opened.append(Opened(chromium, path, **view))
        return opened[-1]

    yield make
    for each in opened:
        each.context.close()
        assert each.asked == []
        assert each.errors == []
