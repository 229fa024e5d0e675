"""`regard observe`: where a model's attention goes on a text or a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from regard.app.screen import Screen


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(observe)


def observe(
    model: Annotated[Path, typer.Option(help="Folder of a transformers model or of a run; a GGUF file; or a name.")],
    text: Annotated[Path | None, typer.Option(metavar="FILE", help="A text file for the model to read.")] = None,
    image: Annotated[Path | None, typer.Option(metavar="FILE", help="A picture for the model to look at.")] = None,
    layers: Annotated[str | None, typer.Option(help='Such as 0,2-3 or "*.self_attn". [all]')] = None,
    heads: Annotated[str | None, typer.Option(help="Such as 0,2-3. [all]")] = None,
    queries: Annotated[str | None, typer.Option(metavar="FIRST:END", help="Tokens or patches, from 0. [all]")] = None,
    top: Annotated[int, typer.Option(min=0, max=256, help="How many of each query's heaviest keys to keep.")] = 8,
    sample: Annotated[float | None, typer.Option(help="A share of the queries, such as 0.05. [all]")] = None,
    tokens: Annotated[int | None, typer.Option(min=1, help="Read only so many of the text's tokens.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE.html", help="Write a report: one page, offline.")] = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the figures as JSON.")] = None,
    trace: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the whole trace (safetensors).")] = None,
) -> None:
    """Where a model's attention goes, on a text or a picture.

    Heads by how unusual they are, the words that receive most, sinks; and, with --out, a page to look around in. The
    model runs once, as ever, and no map of queries x keys is ever made.

    \b
    Examples:
      regard observe --model minilm --text story.txt --tokens 512 --out report.html
      regard observe --model runs/sentiment-transformer --text review.txt
    """
    if (text is None) == (image is None):
        raise typer.BadParameter("give either --text FILE or --image FILE")
    if image is not None and tokens is not None:
        raise typer.BadParameter("it goes with --text", param_hint="--tokens")
    if sample is not None and not 0 < sample <= 1:
        raise typer.BadParameter(f"{sample} is no share; expected more than 0 and at most 1", param_hint="--sample")
    from regard.app.choosing import heads_from, layers_from, queries_from
    from regard.app.given_text import whole_file
    from regard.app.observing import Asked, show
    from regard.app.observing import observe as observed
    from regard.app.progress import told
    from regard.app.saving import check_places, save
    from regard.app.subject import image_subject, model_folder, text_subject
    from regard.lens.trace_view import view

    asked = Asked(
        top=top,
        layers=None if layers is None else layers_from(layers),
        heads=None if heads is None else heads_from(heads),
        queries=None if queries is None else queries_from(queries),
        sample=sample,
    )
    places = {"--out": out, "--json": json, "--trace": trace}
    check_places(places, {"--text": text, "--image": image, "--model": model})
    screen = Screen()
    words = None if text is None else whole_file(text)
    folder = model_folder(model, lambda event: screen.line(told(event)))
    subject = image_subject(folder, Path(str(image))) if words is None else text_subject(folder, words, tokens=tokens)
    found = observed(screen, subject, asked)
    screen.line()
    show(screen, view(found))
    save(screen, found, places, picture=subject.picture)
