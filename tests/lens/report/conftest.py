from __future__ import annotations

import pytest
from tests.lens.report.browsing import Opened

from regard.lens.report import report


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
