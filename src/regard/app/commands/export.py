"""`regard export`: a trained run as files that answer without this package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from regard.app.screen import Screen


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(export)


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a trained run.")],
    out: Annotated[Path, typer.Option(help="A new folder to write to.")],
    form: Annotated[str, typer.Option("--format", help="Which format: onnx, or transformers.")] = "onnx",
    data: Annotated[
        Path | None, typer.Option(help="Rows to check the files on. [those that the run was trained on]")
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option(metavar="[ROLE=]NAME", help="That file's column to read. [as in training]")
    ] = None,
) -> None:
    """Write a trained run as files that answer without this package.

    onnx: graphs, with the vocabulary, the settings and a script that answers. They are run in onnxruntime on real rows,
    at five lengths, and are kept only where every output is within 1e-4 of the model's own. transformers: a folder that
    `AutoModel...from_pretrained` opens, for runs whose architecture that library has (language-model, translate,
    summarise), within 1e-5; others are refused with the reason.

    \b
    Examples:
      regard export runs/sentiment-bilstm --out exported
      regard export runs/translate-transformer --format onnx --out exported --data examples/pairs.csv
      regard export runs/language-model-transformer --format transformers --out folder
      python exported/run.py "A quiet, lovely film."
    """
    from regard.app.asked import columns_of
    from regard.app.exporting import export as write
    from regard.train.run import load_run

    screen = Screen()
    loaded = load_run(run)
    written = write(
        loaded,
        out,
        form=form,
        data=data,
        columns=columns_of(loaded, column or ()),
        begun=lambda: screen.line("writing the model, and running it beside the run ..."),
    )
    for line in written.lines():
        screen.line(line)
    screen.line(f"written to {out}: {', '.join(written.files)}")
