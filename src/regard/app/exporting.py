"""Exporting a run: a folder of graphs, vocabularies and settings that answers without this package."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from regard.bridges.onnx_drawing import Drawing
from regard.bridges.onnx_files import TOLERANCE, Checked, write
from regard.bridges.onnx_graph import OPSET
from regard.bridges.onnx_tasks import drawings
from regard.bridges.onnx_told import told
from regard.bridges.transformers_export import Exported as AsTransformers
from regard.bridges.transformers_export import converter, export_transformers
from regard.disk import make_folder, remove_empty
from regard.spec.errors import RunError, SpecError
from regard.tasks.event import unheard
from regard.tasks.several_part import SeveralPart
from regard.tasks.task import Asked
from regard.train.run import Run

_EXAMPLE = 3  # rows of example.npz
_RUN = Path(__file__).parent / "exported" / "run.py"


@dataclass(frozen=True)
class Exported:
    """What was written: the files, and what each part's graphs were held against."""

    folder: Path
    files: tuple[str, ...]
    checked: Mapping[str, tuple[Checked, ...]]

    def lines(self) -> list[str]:
        """What was checked, in words."""
        lines = []
        for name, found in self.checked.items():
            worst = max(off for one in found for off in one.differences.values())
            lengths = ", ".join(str(one.length) for one in found)
            lines.append(
                f"{name or 'the graphs'} in onnxruntime: at lengths {lengths}, {worst:.2g} apart at most (below "
                f"{TOLERANCE:g})"
            )
        return lines


def export(
    run: Run,
    folder: Path,
    *,
    form: str = "onnx",
    data: Path | None = None,
    columns: Mapping[str, str] | None = None,
) -> Exported | AsTransformers:
    """Writes a run in another format with all that answering needs, once it was held against the model on real rows.

    form: one of `FORMATS`. data: a file of rows like those trained on, columns: what its columns are called; by default
    the file that the run was trained on, or its test part. A failure leaves nothing behind.

    Raises:
        SpecError: an unknown format.
        MissingExtraError: what the format needs is not installed.
        RunError: the folder is not empty, the run cannot be had in this format, or gives other outputs in it.
        DataError: the rows cannot be read.
    """
    if form not in FORMATS:
        raise SpecError(f"format {form!r}: expected one of {', '.join(FORMATS)}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder} is not empty; name a new folder, or delete what is in it")
    return FORMATS[form](run, folder, data, columns or {})


def _as_onnx(run: Run, folder: Path, data: Path | None, columns: Mapping[str, str]) -> Exported:
    found = drawings(run.task, run.model, run.setup)
    writes = any(drawing.loop is not None for drawing in found.values())
    parts = _parts(run, data, columns, truths=writes)
    folder = folder.absolute()
    made = make_folder(folder.parent)
    beside = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    beside.mkdir()
    try:
        checked = _written(run, found, parts, beside)
        if folder.exists():
            folder.rmdir()
        beside.replace(folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        remove_empty(made)
        raise
    return Exported(folder, tuple(sorted(one.name for one in folder.iterdir())), checked)


def _as_transformers(run: Run, folder: Path, data: Path | None, columns: Mapping[str, str]) -> AsTransformers:
    converter(run)  # refuses before anything is read
    return export_transformers(run, folder, part=_parts(run, data, columns, truths=False)[""])


FORMATS: dict[str, Callable[[Run, Path, Path | None, Mapping[str, str]], Exported | AsTransformers]] = {
    "onnx": _as_onnx,
    "transformers": _as_transformers,
}


def _written(
    run: Run, found: Mapping[str, Drawing], parts: Mapping[str, Any], folder: Path
) -> dict[str, tuple[Checked, ...]]:
    checked, described = {}, []
    for name, drawing in found.items():
        files, each = write(name, drawing, parts[name], folder)
        checked[name] = tuple(each)
        part = told(name, drawing, run.task, run.setup, files)
        part["example"] = f"{name}.example.npz" if name else "example.npz"
        _example(drawing, parts[name], folder / part["example"])
        part["checked"] = [{"rows": c.rows, "length": c.length, **c.differences} for c in each]
        described.append(part)
    for file, text in run.setup.kept.items():
        path = folder / file
        make_folder(path.parent)
        path.write_text(text, encoding="utf-8")
    config = {
        "task": run.task.name,
        "about": run.task.about,
        "opset": OPSET,
        "tolerance": TOLERANCE,
        "torch": torch.__version__,
        "parts": described,
        "facts": dict(run.setup.facts),
        "settings": run.settings.model_dump(mode="json"),
    }
    (folder / "config.json").write_text(json.dumps(config, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(_readme(run, described), encoding="utf-8")
    shutil.copyfile(_RUN, folder / "run.py")
    return checked


def _example(drawing: Drawing, part: Any, file: Path) -> None:
    """Rows of the data as arrays, with the model's own outputs beside them."""
    batch = part.batch(np.arange(min(_EXAMPLE, len(part))))
    if drawing.graph is None:
        assert drawing.loop is not None
        arrays = {"ids": drawing.loop.ids(batch).numpy(), "lengths": batch.lengths.numpy()}
    else:
        inputs = drawing.inputs(batch)
        with torch.inference_mode():
            outputs = drawing.graph.module(*inputs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        arrays = {name: one.numpy() for name, one in zip(drawing.graph.inputs, inputs, strict=True)}
        for name, one in zip(drawing.graph.outputs, outputs, strict=True):
            arrays[f"expected.{name}"] = one.numpy()
    np.savez_compressed(file, **arrays)


def _parts(run: Run, data: Path | None, columns: Mapping[str, str], *, truths: bool) -> dict[str, Any]:
    """Real rows, encoded: of a file, or of the run's own data. truths: with what is to be written of them."""
    path = data if data is not None else run.settings.data.path
    if path is not None and run.task.read is not None:
        return {"": run.given(Asked(Path(path), columns, truths=truths)).part}
    if data is not None:
        raise RunError(f"a run of {run.task.name} reads no file of other rows; leave --data, its own test part is used")
    test = run.task.prepare(run.settings, run.setup.kept, unheard).test
    return dict(test.parts) if isinstance(test, SeveralPart) else {"": test}


def _readme(run: Run, parts: list[dict[str, Any]]) -> str:
    lines = [f"# {run.task.name}, as ONNX", "", run.task.about[0].upper() + run.task.about[1:] + ".", ""]
    for part in parts:
        for file, graph in part["graphs"].items():
            lines.append(f"`{file}`")
            for kind in ("inputs", "outputs"):
                for name, axes in graph[kind].items():
                    sizes = ", ".join("fixed" if axis is None else axis for axis in axes)
                    lines.append(f"- {kind[:-1]} `{name}` ({sizes})")
            for axis, ends in graph["sizes"].items():
                told = [f"{word} {ends[word]}" for word in ("least", "most") if ends[word] is not None]
                lines.append(f"- `{axis}`: at {' and at '.join(told)}")
            lines.append("")
    lines += [
        f"Opset {OPSET}; attention is the standard operator Attention where the score is a scaled product. The graphs",
        "were held against the model in onnxruntime, on real rows: how far they are apart stands in `config.json`,",
        "under `checked`.",
        "",
        "    pip install onnxruntime numpy" + (" tokenizers" if run.setup.kept else ""),
        "    python run.py",
    ]
    if any("reads" in part for part in parts):
        lines.append('    python run.py "A text of your own"')
    return "\n".join([*lines, ""])
