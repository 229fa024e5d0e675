import io

from rich.console import Console

from regard.lens.terminal import painted


def test_the_text_is_whole_and_the_heaviest_word_has_the_heaviest_colour(reading):
    text = painted(reading)
    assert text.plain == reading.explanation.units.source
    styles = {text.plain[span.start : span.end]: str(span.style) for span in text.spans}
    assert styles["fine"] == "rgb(20,20,20) on rgb(240,120,20)"
    assert styles["A"] == "rgb(20,20,20) on rgb(251,212,166)"  # a quarter of the way from (255, 243, 214)
    assert styles["truly"] == "rgb(20,20,20) on rgb(156,198,240)"  # against the answer, half as much: to blue
    assert set(styles) == {"A", "fine", "film", ",", "truly", "."}


def test_colours_on_a_terminal_and_none_elsewhere(reading):
    for terminal in (True, False):
        out = io.StringIO()
        console = Console(file=out, force_terminal=terminal, color_system="truecolor" if terminal else None, width=80)
        console.print(painted(reading))
        assert ("\x1b[" in out.getvalue()) is terminal
        if not terminal:
            assert out.getvalue() == reading.explanation.units.source + "\n"
