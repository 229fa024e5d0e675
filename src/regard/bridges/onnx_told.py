"""What an exported folder's config.json says of each part: how it reads, what its outputs mean, how it writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regard.bridges.onnx_drawing import Drawing, Loop
from regard.bridges.onnx_graph import Graph
from regard.tasks.pair_part import EDGE_ID
from regard.tasks.pairs_data import WRITTEN_TOKENIZER
from regard.tasks.sections import TokenSettings, WritingSettings
from regard.tasks.tabular_data import in_order
from regard.tasks.task import Setup, Task
from regard.tasks.text_data import TOKENIZER
from regard.tasks.text_symbols import START_ID
from regard.tasks.vocabulary import PADDING_ID, UNKNOWN_ID

_READING = ("sentiment", "classify", "sentiment+spam", "masked-text", "translate", "summarise", "language-model")
_NEXT = ("language-model", "music")
_SAYS = {"tag": "tags", "recommend": "items", "detect": "boxes"}


def told(name: str, drawing: Drawing, task: Task, setup: Setup, files: tuple[str, ...]) -> dict[str, Any]:
    """One part, in plain values."""
    facts, part = facts_of(name, setup), dict[str, Any](name=name)
    file = dict(zip((graph.name for graph in drawing.graphs), files, strict=True))
    if drawing.graph is not None:
        part["graph"] = file[drawing.graph.name]
    part["graphs"] = {file[graph.name]: _described(graph) for graph in drawing.graphs}
    part["says"] = _says(task, facts, drawing)
    part |= {key: facts[key] for key in ("level", "spread", "longest", "rate", "mean", "deviation") if key in facts}
    labels = next((facts[key] for key in ("labels", "tags", "items", "answers") if key in facts), None)
    part |= {} if labels is None else {"labels": list(labels)}
    if task.name == "tabular":
        part["columns"] = [dict(one) for _, one in in_order(setup)]
    if task.name in _READING:
        part["reads"] = _reads(task, setup)
    if drawing.loop is not None:
        part["loop"] = _loop(drawing.loop, task, setup, file[drawing.loop.decoder.name])
        part["writes"] = _writes(setup)
    return part


def facts_of(name: str, setup: Setup) -> Mapping[str, Any]:
    """A run's facts, or those of one of its tasks."""
    found: Mapping[str, Any] = setup.facts["members"][name] if "members" in setup.facts and name else setup.facts
    return found


def _described(graph: Graph) -> dict[str, Any]:
    """Its inputs and outputs with their axes: a word stands for any size, `null` for a fixed one."""
    bounds = {name: {"least": graph.least.get(name), "most": graph.most.get(name)} for name in
              {*graph.least, *graph.most}}  # fmt: skip
    return {
        "inputs": {name: list(axes) for name, axes in graph.inputs.items()},
        "outputs": {name: list(axes) for name, axes in graph.outputs.items()},
        "sizes": bounds,
    }


def _says(task: Task, facts: Mapping[str, Any], drawing: Drawing) -> str:
    if drawing.loop is not None:
        return "text"
    assert drawing.graph is not None
    outputs = tuple(drawing.graph.outputs)
    if outputs == ("logits", "weights"):
        return "number" if "level" in facts else "classes"
    return _SAYS.get(task.name, "place" if outputs == ("start", "end") else "arrays")


def _reads(task: Task, setup: Setup) -> dict[str, Any]:
    tokens = setup.settings.section(TokenSettings)
    onward = task.name in _NEXT
    return {
        "tokenizer": TOKENIZER,
        "longest": tokens.longest,
        "keep": "last" if onward else tokens.keep,
        "unknown": UNKNOWN_ID,
        "before": [START_ID] if onward else [],
    }


def _writes(setup: Setup) -> dict[str, Any]:
    for file in (WRITTEN_TOKENIZER, TOKENIZER):
        if file in setup.kept:
            return {"tokenizer": file}
    return {"symbols": _names(setup)}


def _names(setup: Setup) -> list[str]:
    known = [str(one) for one in setup.facts.get("symbols", ())]
    return [*(f"<{place}>" for place in range(int(setup.facts["vocabulary"]) - len(known))), *known]


def _loop(loop: Loop, task: Task, setup: Setup, file: str) -> dict[str, Any]:
    layered = [name for name, axes in loop.decoder.inputs.items() if len(axes) == 5]
    plain: dict[str, Any] = {
        "graph": file,
        "carried": dict(loop.carried),
        "read": dict(loop.read),
        "empty": {name: list(sizes) for name, sizes in loop.empty.items()},
        "layered": layered,
    }
    if task.name in _NEXT:
        return plain | {"begin": None, "never": [PADDING_ID, UNKNOWN_ID, START_ID]}
    writing = setup.settings.section(WritingSettings)
    limits = {"begin": EDGE_ID, "end": EDGE_ID, "never": [PADDING_ID, UNKNOWN_ID]}
    return plain | limits | {"longest": writing.longest, "beam": writing.beam, "alpha": writing.alpha}
