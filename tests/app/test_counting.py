"""How far a long job is."""

import io

import pytest
from rich.console import Console

from regard.app import counting
from regard.app.screen import Screen


def told(terminal, steps):
    screen, out = Screen(), io.StringIO()
    screen.console = Console(file=out, force_terminal=terminal, width=60, highlight=False)
    with counting.counted(screen, 1.0, lambda done: f"{done:.0%} measured") as tell:
        for done in steps:
            tell(done)
    return out.getvalue()


def test_a_bar_on_a_terminal():
    assert "100% measured" in told(True, [0.5, 1.0])


def test_a_short_job_says_nothing_elsewhere():
    assert told(False, [0.5, 1.0]) == ""


@pytest.mark.parametrize(
    ("seconds", "lines"),
    [
        (3, ["25% measured"]),  # 3 s after the start nothing, 6 s after it a line, 3 s later nothing
        (6, ["10% measured", "25% measured", "50% measured"]),
        (4, ["25% measured"]),
    ],
)
def test_plain_lines_when_time_has_passed(monkeypatch, seconds, lines):
    clock = iter(range(0, 1000, seconds))
    monkeypatch.setattr(counting.time, "monotonic", lambda: next(clock))
    assert told(False, [0.1, 0.25, 0.5]).splitlines() == lines
