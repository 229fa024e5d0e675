"""Exported graphs, run by onnxruntime and held against the model they were drawn of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from regard.bridges.onnx_drawing import Drawing, Loop
from regard.bridges.onnx_graph import Arrays, Graph, feed

Sessions = Mapping[str, Any]  # graph's name -> InferenceSession
_LARGE = 100.0  # outputs beyond it, such as forecasts in their unit, are held to a share: float32 has 7 digits


def differences(
    drawing: Drawing, sessions: Sessions, batch: Any, *, inputs: Sequence[Tensor] | None = None, most: int | None = None
) -> dict[str, float]:
    """The largest difference of each output to the model's own, by GRAPH.OUTPUT; infinity where the two are of other
    shapes, or where one is finite and the other is not. inputs: others than the batch's. most: symbols of a loop."""
    inputs = drawing.inputs(batch) if inputs is None else inputs
    found: dict[str, float] = {}
    first: Arrays = {}
    if drawing.graph is not None:
        first = run(drawing.graph, sessions[drawing.graph.name], feed(drawing.graph, inputs))
        with torch.inference_mode():
            expected = drawing.graph.module(*inputs)
        expected = expected if isinstance(expected, tuple) else (expected,)
        for name, own in zip(drawing.graph.outputs, expected, strict=True):
            found[f"{drawing.graph.name}.{name}"] = apart(first[name], own.numpy())
    if drawing.loop is not None:
        ids = drawing.loop.ids(batch)[:, :most]
        with torch.inference_mode():
            logits = drawing.loop.expected(inputs, ids).numpy()
        stepped = steps(drawing.loop, sessions[drawing.loop.decoder.name], first, ids.numpy())
        found[f"{drawing.loop.decoder.name}.logits"] = apart(stepped, logits)
    return found


def run(graph: Graph, session: Any, inputs: Arrays) -> Arrays:
    """Outputs by name. An input that the graph has no use for is left out of the file."""
    taken = {each.name for each in session.get_inputs()}
    made = session.run(list(graph.outputs), {name: each for name, each in inputs.items() if name in taken})
    return dict(zip(graph.outputs, made, strict=True))


def steps(loop: Loop, session: Any, first: Arrays, ids: Any) -> Any:
    """(rows, out_len, vocab) logits of ids (rows, out_len), fed one symbol after another."""
    state = {name: first[output] for name, output in loop.read.items()}
    for name, (layers, heads, size) in loop.empty.items():
        state[name] = np.zeros((layers, len(ids), heads, 0, size), dtype=np.float32)
    logits = []
    for place in range(ids.shape[1]):
        made = run(loop.decoder, session, state | {"ids": ids[:, place : place + 1]})
        logits.append(made["logits"])
        state |= {name: made[output] for name, output in loop.carried.items()}
    return np.concatenate(logits, 1)


def apart(one: Any, other: Any) -> float:
    """The largest difference of an array to the model's own, `other`; where both are infinite alike, or NaN, there is
    none. Where the largest finite number of `other` is beyond `_LARGE`, in units of that number over `_LARGE`: 1e-4 is
    then a millionth of it, eight roundings of float32."""
    if one.shape != other.shape:
        return float("inf")
    if not one.size:
        return 0.0
    with np.errstate(invalid="ignore"):
        distance = np.abs(one.astype(np.float64) - other.astype(np.float64))
    same = (one == other) | (np.isnan(one.astype(np.float64)) & np.isnan(other.astype(np.float64)))
    sizes = np.abs(other[np.isfinite(other)]).astype(np.float64)
    unit = max(1.0, float(sizes.max()) / _LARGE) if sizes.size else 1.0
    return float(np.where(same, 0.0, np.where(np.isnan(distance), np.inf, distance)).max()) / unit
