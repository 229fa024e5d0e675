"""A trace as one HTML file that opens anywhere without a network, and as JSON for programs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from regard.disk import write_atomically
from regard.lens.report.page import html
from regard.lens.report.payload import pack
from regard.lens.report.picture import Picture, addresses
from regard.lens.report.summary import as_json
from regard.lens.trace import Trace

__all__ = ["as_json", "report"]


def report(
    trace: Trace,
    path: str | os.PathLike[str],
    *,
    title: str | None = None,
    image: Picture | Sequence[Picture] | None = None,
) -> Path:
    """Write a trace as one HTML file under 5 MB, and return its path.

    The page shows the heads, most unusual first; the text with the mass each unit received; the top keys of a chosen
    unit in each layer; a head's map; breadth against distance of all heads. It asks nothing of a network. What does
    not fit is left out, and the page says what. Written beside the path and then renamed: a killed run leaves the old
    file or the new one, never half of one.

    title: shown on top; the model's name when None. image: the picture (a path or a `PIL.Image.Image`) as the model
    saw it, or one for each input of the batch, for units that are patches.

    Raises:
        RunError: the path cannot be written.
        ShapeError: another number of pictures than inputs.
        DataError: a picture that cannot be read.
    """
    target = Path(path)
    images = addresses(image, len(trace.units))
    made = pack(trace, title=title or trace.model, images=images)
    write_atomically(target, html(made).encode("utf-8"))
    return target
