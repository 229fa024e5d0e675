"""`regard bench`: what running on regard's attention gains on a model of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from regard.app.screen import Screen

_DTYPES = ("float32", "bfloat16", "float16", "float64")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(bench)


def bench(
    model: Annotated[Path, typer.Option(help="Folder of a transformers model; a GGUF file; or a name.")],
    tokens: Annotated[int, typer.Option(min=1, help="Length of the prompt.")] = 2048,
    text: Annotated[Path | None, typer.Option(metavar="FILE", help="The prompt. [tokens drawn at random]")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each side is timed.")] = 5,
    dtype: Annotated[str, typer.Option(help=f"One of {', '.join(_DTYPES)}.")] = "float32",
    decode: Annotated[int, typer.Option(min=0, metavar="N", help="Time N single tokens after the prompt, too.")] = 0,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the figures as JSON.")] = None,
) -> None:
    """What regard's attention gains on a model of one's own, in time and memory.

    The model by itself and in use, on one prompt: first the two must give the same output; then they are timed in
    turns, and the medians are shown.

    \b
    Example:
      regard bench --model gemma3-270m --tokens 4096 --decode 32
    """
    if dtype not in _DTYPES:
        raise typer.BadParameter(f"{dtype!r} is none of {', '.join(_DTYPES)}", param_hint="--dtype")
    from regard.app.benching import Bench, measured, show, write
    from regard.app.given_text import whole_file
    from regard.app.progress import told
    from regard.app.saving import check_places
    from regard.app.subject import model_folder

    check_places({"--json": json}, {"--text": text, "--model": model})
    screen = Screen()
    words = None if text is None else whole_file(text)
    folder = model_folder(model, lambda event: screen.line(told(event)))
    found = measured(screen, Bench.of(folder, words, tokens=tokens, dtype=dtype, decode=decode), rounds)
    screen.line()
    show(screen, found)
    if json is not None:
        write(json, found)
        screen.line(f"written to {json}")
