"""The README of an exported folder: what the graphs read and give, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from regard.bridges.onnx_graph import OPSET
from regard.train.run import Run


def readme(run: Run, parts: Sequence[Mapping[str, Any]]) -> str:
    """parts: as `regard.bridges.onnx_told` describes them."""
    lines = [f"# {run.task.name}, as ONNX", "", run.task.about[0].upper() + run.task.about[1:] + ".", ""]
    for part in parts:
        for file, graph in part["graphs"].items():
            lines += [*_graph(file, graph), ""]
        if "columns" in part:
            lines += [*_columns(part["columns"]), "", *_answer(part), ""]
    lines += [
        f"Opset {OPSET}; attention is the standard operator Attention where the score is a scaled product. The graphs",
        "were held against the model in onnxruntime, on real rows: how far they are apart stands in `config.json`,",
        "under `checked`. `example.npz` holds a few of these rows with the model's own outputs (`expected.*`).",
        "",
        "    pip install onnxruntime numpy" + (" tokenizers" if run.setup.kept else ""),
        "    python run.py",
    ]
    if any("reads" in part for part in parts):
        lines.append('    python run.py "A text of your own"')
    return "\n".join([*lines, ""])


def _graph(file: str, graph: Mapping[str, Any]) -> list[str]:
    lines = [f"`{file}`"]
    for kind in ("inputs", "outputs"):
        for name, axes in graph[kind].items():
            sizes = ", ".join("fixed" if axis is None else axis for axis in axes)
            lines.append(f"- {kind[:-1]} `{name}` ({sizes})")
    for axis, ends in graph["sizes"].items():
        told = [f"{word} {ends[word]}" for word in ("least", "most") if ends[word] is not None]
        lines.append(f"- `{axis}`: at {' and at '.join(told)}")
    return lines


def _columns(columns: Sequence[Mapping[str, Any]]) -> list[str]:
    """A table's columns in the order in which the graph reads them."""
    numbers = [one for one in columns if one["kind"] == "number"]
    categories = [one for one in columns if one["kind"] == "category"]
    lines = [
        "## The columns, in order",
        "",
        f"`numbers` (rows, {len(numbers)}) float32: as they stand in the table, in its units. The graph itself takes",
        "the mean of the training part away and divides by the deviation; nothing is to be scaled before.",
        "",
    ]
    if numbers:
        lines += ["| place | column | mean | deviation |", "|---|---|---|---|"]
        lines += [
            f"| {at} | {_cell(one['name'])} | {one['mean']:.6g} | {one['deviation']:.6g} |"
            for at, one in enumerate(numbers)
        ]
        lines.append("")
    lines += [
        f"`categories` (rows, {len(categories)}) int64: the number of the cell's text among those of its column.",
        "",
    ]
    if categories:
        lines += ["| place | column | numbers |", "|---|---|---|"]
        for at, one in enumerate(categories):
            known = ", ".join(f"{code} {_cell(text)}" for code, text in enumerate(one["categories"]))
            lines.append(f"| {at} | {_cell(one['name'])} | {known} |")
        lines.append("")
    lines += [
        f"`present` (rows, {len(columns)}) bool: the columns of `numbers`, then those of `categories`: True where the",
        "cell holds something. An empty cell, and a text that is not in the list above, has False there and 0 in its",
        "own place: the model has a trained vector for what is missing, and nothing is filled in.",
    ]
    return lines


def _answer(part: Mapping[str, Any]) -> list[str]:
    if "level" in part:
        return [f"The answer in its own unit is `logits[:, 0]` x {part['spread']:.9g} + {part['level']:.9g}."]
    labels = ", ".join(f"{at} {_cell(label)}" for at, label in enumerate(part["labels"]))
    return [f"The softmax of `logits` gives the probabilities of the labels: {labels}."]


def _cell(text: str) -> str:
    """A name of the table as code; a bar or a line break would end the cell that it stands in."""
    return f"`{' '.join(text.replace('|', '/').split())}`"
