"""A run's graphs as files: drawn of one batch, and held against the model on others, of other lengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from regard.bridges.onnx_check import Sessions, differences
from regard.bridges.onnx_drawing import Drawing
from regard.bridges.onnx_graph import Axes, Graph, draw, session
from regard.spec.errors import RunError
from regard.tasks.part import Part

TOLERANCE = 1e-4  # of an output's entries, absolute and relative to its largest
LENGTHS = 5
_AXES = ("length", "source")  # of tokens that are read
_PAST = 4  # tokens that a step's example has behind it


@dataclass(frozen=True)
class Checked:
    """One batch that was run both ways: its rows, the length of its longest, and the largest difference of each
    output."""

    rows: int
    length: int
    differences: Mapping[str, float]


def write(name: str, drawing: Drawing, part: Part, folder: Path) -> tuple[tuple[str, ...], list[Checked]]:
    """Draws the graphs into `folder` and holds them against the model; the files' names, and what was checked.

    name: of a task among several, "" for one.

    Raises:
        RunError: a graph cannot be drawn, or its outputs are others than the model's: the message names them.
    """
    batch = part.batch(_drawn_of(part))
    files, sessions = [], {}
    for graph in drawing.graphs:
        file = f"{name}.{graph.file}" if name else graph.file
        draw(graph, _example(drawing, graph, batch), folder / file)
        sessions[graph.name] = session(folder / file)
        files.append(file)
    return tuple(files), checked(drawing, sessions, part, where=name)


def checked(drawing: Drawing, sessions: Sessions, part: Part, *, where: str = "") -> list[Checked]:
    """Batches of other lengths than the one that was drawn, run both ways. Raises `RunError` as `write`."""
    found = []
    cuts = _cuts(drawing, part)
    for place, rows in enumerate(chosen(part)):
        batch, length = part.batch(rows), int(part.lengths[rows].max())
        inputs, most = drawing.inputs(batch), None
        if cuts and drawing.graph is not None:
            length = most = cuts[place]
            inputs = shortened(drawing.graph, inputs, length)
        apart = differences(drawing, sessions, batch, inputs=inputs, most=most)
        odd = [f"{output} by {off:.3g}" for output, off in apart.items() if off > TOLERANCE]
        if odd:
            told = f"{where}: " if where else ""
            raise RunError(
                f"{told}the exported graph gives other outputs than the model ({', '.join(odd)}, of {len(rows)} rows "
                f"of length {length} at most; {TOLERANCE:g} would do): nothing was written"
            )
        found.append(Checked(len(rows), length, apart))
    return found


def chosen(part: Part) -> list[Any]:
    """Five batches of 1, 2, 3, 4 and 1 rows, from the shortest rows to the longest; fewer where there are fewer rows.
    Where all rows are of one length, the batches differ in their rows alone."""
    order = np.argsort(part.lengths, kind="stable")
    distinct = np.unique(part.lengths)
    picked = distinct[np.linspace(0, len(distinct) - 1, min(LENGTHS, len(distinct))).round().astype(int)]
    batches = []
    for place in range(LENGTHS):
        at = int(np.searchsorted(part.lengths[order], picked[min(place, len(picked) - 1)], side="right"))
        count = (1, 2, 3, 4, 1)[place]
        batches.append(order[max(0, at - count) : at])
    return batches


def shortened(graph: Graph, inputs: Sequence[Tensor], length: int) -> tuple[Tensor, ...]:
    """Inputs cut to `length` places along the axis of their tokens, and their lengths with them."""
    found = []
    for (name, axes), each in zip(graph.inputs.items(), inputs, strict=True):
        place = _axis(axes)
        cut = each if place is None else each.narrow(place, 0, min(length, each.shape[place])).contiguous()
        found.append(cut.clamp(max=length) if name == "lengths" else cut)
    return tuple(found)


def _cuts(drawing: Drawing, part: Part) -> list[int]:
    """Lengths to cut the rows to, where they could be of any but are of fewer than five; none where they vary, or are
    of one size by their kind."""
    graph = drawing.graph
    if graph is None or len(np.unique(part.lengths)) >= LENGTHS:
        return []
    batch = drawing.inputs(part.batch(_drawn_of(part)))
    places = [(_axis(axes), each) for axes, each in zip(graph.inputs.values(), batch, strict=True)]
    sizes = [each.shape[place] for place, each in places if place is not None]
    return [max(1, round(max(sizes) * share / LENGTHS)) for share in range(1, LENGTHS + 1)] if sizes else []


def _axis(axes: Axes) -> int | None:
    """Which of an input's axes its tokens lie along."""
    return next((place for place, name in enumerate(axes) if name in _AXES), None)


def _drawn_of(part: Part) -> Any:
    """A few rows of middling length: sizes of 1 would be drawn as such."""
    order = np.argsort(part.lengths, kind="stable")
    if len(order) < 2:
        raise RunError("a graph is drawn of two rows at least, and the data has fewer; name a file with more: --data")
    middle = len(order) // 2
    return order[max(0, middle - 1) : middle + 2]


def _example(drawing: Drawing, graph: Graph, batch: Any) -> Sequence[Tensor]:
    """Inputs of a graph, made of the batch."""
    if graph is drawing.graph or drawing.loop is None:
        return drawing.inputs(batch)
    loop, first = drawing.loop, dict[str, Tensor]()
    if drawing.graph is not None:
        with torch.no_grad():
            first = dict(zip(drawing.graph.outputs, drawing.graph.module(*drawing.inputs(batch)), strict=True))
    ids = loop.ids(batch)
    made = {"ids": ids[:, :1] if "hidden" in graph.inputs else _several(ids)}
    made |= {name: first[output] for name, output in loop.read.items()}
    for name, (layers, heads, size) in loop.empty.items():
        made[name] = torch.zeros(layers, len(ids), heads, _PAST, size)
    return [made[name] for name in graph.inputs]


def _several(ids: Tensor) -> Tensor:
    """Three symbols a row, however few there are."""
    return ids.repeat(1, 3)[:, :3].contiguous()
