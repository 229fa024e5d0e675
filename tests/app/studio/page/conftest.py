from __future__ import annotations

import pytest
from playwright.sync_api import expect
from tests.app.studio.page.faked import Faked
from tests.app.studio.page.opened import Opened

expect.set_options(timeout=20_000)


@pytest.fixture
def faked():
    """Starts studios without models behind them; they are closed after the test."""
    made = []

    def start(**more):
        made.append(Faked(**more))
        return made[-1]

    yield start
    for each in made:
        each.close()


@pytest.fixture
def open_studio(chromium, faked):
    """Opens a studio's page; nothing it asks may lie outside loopback, and its console must stay silent."""
    opened = []

    def make(studio=None, **view):
        studio = faked() if studio is None else studio
        opened.append(Opened(chromium, studio.address, **view).ready())
        opened[-1].studio = studio
        return opened[-1]

    yield make
    for each in opened:
        each.close()
        assert each.asked == []
        assert each.errors == []
