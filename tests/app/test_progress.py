import io

import pytest
from rich.console import Console

from regard.app.progress import clock, progress, told
from regard.app.screen import Screen
from regard.tasks.event import Note, Progress, Validated


def step(number, *, steps=100, left=61.0):
    return Progress(epoch=1, epochs=2, step=number, steps=steps, loss=0.5, metric=0.75, rate=12345.6, seconds_left=left)


VALIDATED = Validated(1, 2, 0.5, 0.6, 0.8, "accuracy", best=True)


def screen(terminal):
    made = Screen()
    made.console = Console(file=io.StringIO(), force_terminal=terminal, width=100, highlight=False, markup=False)
    return made


def test_an_event_as_a_line():
    assert told(step(7)) == "epoch 1/2 step 7/100: loss 0.5000, accuracy 0.7500, 12,346 tokens/s, 1:01 left"
    assert told(step(7, left=None)).endswith("12,346 tokens/s")
    assert told(Note("reading [a] file")) == "reading [a] file"
    assert told(VALIDATED) == (
        "epoch 1/2: training loss 0.5000, validation loss 0.6000, validation accuracy 0.8000 (the best so far)"
    )


def test_plain_lines_are_about_twenty_however_many_steps_there_are():
    quiet = screen(terminal=False)
    with progress(quiet) as listen:
        for number in range(1, 1001):
            listen(step(number, steps=1000))
        listen(VALIDATED)
    lines = quiet.console.file.getvalue().splitlines()
    assert len(lines) == 22  # the first step, twenty more, the epoch
    assert "step 1/1000" in lines[0]
    assert "step 1000/1000" in lines[-2]
    assert all("\x1b" not in line for line in lines)


def test_on_a_terminal_a_bar_moves_and_notes_stay_above_it():
    loud = screen(terminal=True)
    with progress(loud) as listen:
        listen(Note("reading the data"))
        listen(step(50))
        listen(VALIDATED)
    out = loud.console.file.getvalue()
    assert "reading the data\n" in out
    assert "validation accuracy 0.8000" in out
    assert "1:01 left" in out
    assert "━" in out


def test_ctrl_c_passes_through():
    with pytest.raises(KeyboardInterrupt), progress(screen(terminal=True)):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (7.4, "0:07"), (725, "12:05"), (3723, "1:02:03"), (-3, "0:00")]
)
def test_clock(seconds, shown):
    assert clock(seconds) == shown
