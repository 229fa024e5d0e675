"""One graph: a module with named inputs and outputs, drawn by torch and written in ONNX."""

from __future__ import annotations

import inspect
import logging
import warnings
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from regard.bridges.onnx_operators import translations
from regard.spec.errors import RunError
from regard.spec.extra import require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onnxruntime import InferenceSession

OPSET = 23  # the first with the operator Attention
Axes = tuple[str | None, ...]
Arrays = dict[str, "np.ndarray[Any, Any]"]


@dataclass(frozen=True, eq=False)
class Graph:
    """A module and what its tensors are called.

    name: of the file, "model" for model.onnx. inputs: of each, in the order that the module takes them, what its axes
    are called: axes of one name are of one size, which may be any; None for an axis of a fixed size. outputs: likewise,
    for who reads. most, least: the largest and the smallest size of an axis that has one.
    """

    name: str
    module: nn.Module
    inputs: Mapping[str, Axes]
    outputs: Mapping[str, Axes]
    most: Mapping[str, int] = field(default_factory=dict)
    least: Mapping[str, int] = field(default_factory=dict)

    @property
    def file(self) -> str:
        return f"{self.name}.onnx"


def draw(graph: Graph, example: Sequence[Tensor], path: Path) -> None:
    """Writes the graph to `path`. example: inputs of the kind it is for, each axis of more than one entry.

    Raises:
        MissingExtraError: onnx or onnxscript is not installed.
        RunError: torch cannot draw it; the message says what stands in the way.
    """
    require("onnx", "onnxscript", what="export to ONNX", extra="onnx")
    try:
        with _quiet(), torch.no_grad():
            exported = torch.export.export(
                graph.module.eval(),
                tuple(example),
                dynamic_shapes=_shapes(graph),
                strict=False,
                prefer_deferred_runtime_asserts_over_guards=True,
            )
            program = torch.onnx.export(
                exported,
                dynamo=True,
                opset_version=OPSET,
                input_names=list(graph.inputs),
                output_names=list(graph.outputs),
                custom_translation_table=translations(),
                verbose=False,
            )
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise RunError(f"{graph.file} cannot be drawn ({reason[:400]}); export another run") from error
    assert program is not None
    program.save(str(path))


def session(path: Path) -> InferenceSession:
    """The file, loaded by onnxruntime, on one thread of the CPU.

    Raises:
        MissingExtraError: onnxruntime is not installed.
    """
    require("onnxruntime", what="running ONNX files", extra="onnx")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised, and said once
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def feed(graph: Graph, inputs: Sequence[Tensor]) -> Arrays:
    """Inputs by name, as arrays."""
    return {name: each.detach().cpu().numpy() for name, each in zip(graph.inputs, inputs, strict=True)}


def _shapes(graph: Graph) -> tuple[Any, ...]:
    """What torch is to know of the inputs' axes; inputs that `forward` takes as `*rest` are one entry."""
    taken = inspect.signature(graph.module.forward).parameters.values()
    named = sum(each.kind is not inspect.Parameter.VAR_POSITIONAL for each in taken)
    shapes = [_dynamic(axes, graph) for axes in graph.inputs.values()]
    return (*shapes[:named], tuple(shapes[named:])) if named < len(taken) else tuple(shapes)


def _dynamic(axes: Axes, graph: Graph) -> dict[int, Any]:
    from torch.export import Dim

    return {
        place: Dim(name, min=graph.least.get(name), max=graph.most.get(name))
        for place, name in enumerate(axes)
        if name is not None
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch's exporter says of packages that are not there and of its own ways."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
