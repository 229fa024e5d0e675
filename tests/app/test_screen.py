import io

import pytest
from rich.console import Console

from regard.app.screen import Screen

LONG = "word " * 40 + "[bold]not markup[/bold] :smile:"


def printed(terminal):
    screen = Screen()
    out = io.StringIO()
    screen.console = Console(file=out, force_terminal=terminal, width=40, highlight=False, markup=False, emoji=False)
    screen.title("Title 1")
    screen.line(LONG)
    screen.lines([LONG])
    return screen, out.getvalue()


def test_elsewhere_lines_are_plain_and_whole():
    screen, out = printed(terminal=False)
    assert out == f"Title 1\n{LONG}\n{LONG}\n"
    assert screen.width is None


def test_on_a_terminal_paragraphs_are_wrapped_and_tables_are_not():
    screen, out = printed(terminal=True)
    assert "\x1b[1mTitle 1" in out
    lines = out.splitlines()
    assert lines[-1] == LONG
    assert len(lines) > 4
    assert all(len(line) <= 40 for line in lines[1:-1])
    assert screen.width == 40


@pytest.mark.parametrize(("rank", "speaks"), [(None, True), ("0", True), ("1", False)])
def test_of_several_processes_the_first_speaks(rank, speaks, monkeypatch, capsys):
    if rank is None:
        monkeypatch.delenv("RANK", raising=False)
    else:
        monkeypatch.setenv("RANK", rank)
    Screen().line("here")
    assert capsys.readouterr().out == ("here\n" if speaks else "")
