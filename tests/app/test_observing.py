"""What is printed of a trace: aligned tables, and colours on a terminal only."""

import io

import pytest
from rich.console import Console

from regard.app.observing import show
from regard.app.screen import Screen
from regard.lens.trace_view import Table, View

HEADS = Table(
    title="Heads",
    header=("layer", "head", "why"),
    rows=(("layers.0", "3", "looks near; reads narrowly"), ("layers.1", "0", "looks back")),
    words=3,
    note="2 more heads are not listed.",
)
NONE = Table(title="Sinks", header=("text",), rows=(), words=1, note="No key is a sink.")


def printed(pieces, *, terminal):
    screen = Screen()
    out = io.StringIO()
    screen.console = Console(file=out, force_terminal=terminal, width=60, highlight=False, markup=False, emoji=False)
    view = View(
        title="bert: 2 layers",
        heads=HEADS,
        pieces=pieces,
        heaviest=NONE,
        sinks=NONE,
        unseen=("not seen: x",),
        limits="L.",
    )
    show(screen, view)
    return out.getvalue()


def test_plain_lines_have_a_row_a_head_and_no_text():
    assert printed((("A cat", 1.0),), terminal=False).splitlines()[:8] == [
        "bert: 2 layers",
        "",
        "Heads",
        "layer     head  why",
        "layers.0  3     looks near; reads narrowly",
        "layers.1  0     looks back",
        "2 more heads are not listed.",
        "",
    ]
    assert "cat" not in printed((("A cat", 1.0),), terminal=False)
    assert printed((), terminal=False).endswith("not seen: x\nL.\n")


def test_a_terminal_has_reasons_below_each_other_and_the_text_in_colours():
    out = printed((("A ", 0.0), ("cat", 1.0)), terminal=True)
    assert "layers.0  3     looks near\n                reads narrowly\nlayers.1  0     looks back\n" in out
    assert "A \x1b[" in out
    assert "more characters" not in out


@pytest.mark.parametrize(("count", "left"), [(399, None), (400, None), (401, 5), (1000, 3000)])
def test_of_a_long_text_the_beginning_is_printed(count, left):
    out = printed((("word ", 0.0),) * count, terminal=True)
    said = None if left is None else f"... and {left:,} more characters, which a report shows (--out FILE.html)"
    assert ("more characters" in out) is (left is not None)
    if said is not None:
        assert said in " ".join(out.split())
