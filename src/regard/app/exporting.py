"""Exporting a run: a folder of graphs, vocabularies and settings that answers without this package."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from regard.app.export_readme import readme
from regard.bridges.onnx_drawing import Drawing
from regard.bridges.onnx_files import TOLERANCE, Checked, write
from regard.bridges.onnx_graph import OPSET
from regard.bridges.onnx_tasks import drawings
from regard.bridges.onnx_told import told
from regard.bridges.transformers_export import Exported as AsTransformers
from regard.bridges.transformers_export import converter, export_transformers
from regard.disk import make_folder, remove_empty
from regard.spec.errors import RunError, SpecError
from regard.spec.extra import require
from regard.tasks.event import unheard
from regard.tasks.several_part import SeveralPart
from regard.tasks.task import Asked
from regard.train.run import Run

_EXAMPLE = 3  # rows of example.npz
_SYMBOLS = 32  # of a model of the next symbol, those whose outputs are in it
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
    begun: Callable[[], None] = lambda: None,
) -> Exported | AsTransformers:
    """Writes a run in another format with all that answering needs, once it was held against the model on real rows.

    form: one of `FORMATS`. data: a file of rows like those trained on, columns: what its columns are called; by default
    the file that the run was trained on, or its test part. begun: called once nothing is left to refuse but what the
    files themselves turn out to be. A failure leaves nothing behind.

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
    return FORMATS[form](run, folder, _Rows(run, data, columns or {}), begun)


def _as_onnx(run: Run, folder: Path, rows: _Rows, begun: Callable[[], None]) -> Exported:
    found = drawings(run.task, run.model, run.setup)
    require("onnx", "onnxscript", "onnxruntime", what="export to ONNX", extra="onnx")
    parts = rows.parts(truths=any(drawing.loop is not None for drawing in found.values()))
    begun()
    folder = folder.absolute()
    made = make_folder(folder.parent)
    beside = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    beside.mkdir()
    try:
        with _unfolded_unsaid():
            checked = _written(run, found, parts, beside)
        if folder.exists():
            folder.rmdir()
        beside.replace(folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        remove_empty(made)
        raise
    return Exported(folder, tuple(sorted(one.name for one in folder.iterdir())), checked)


@contextmanager
def _unfolded_unsaid() -> Iterator[None]:
    """Without onnxscript's warning of each node with several outputs that it does not work out ahead: the graph is as
    right without, and nobody who exports can do anything about it. All else that it says is said."""
    logger = logging.getLogger("onnxscript.optimizer._constant_folding")

    def said(record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith("Skipping constant folding for op")

    logger.addFilter(said)
    try:
        yield
    finally:
        logger.removeFilter(said)


def _as_transformers(run: Run, folder: Path, rows: _Rows, begun: Callable[[], None]) -> AsTransformers:
    converter(run)  # refuses before anything is read
    part = rows.parts(truths=False)[""]
    begun()
    return export_transformers(run, folder, part=part)


@dataclass(frozen=True)
class _Rows:
    """Real rows for a run: of a file, or of the run's own data."""

    run: Run
    data: Path | None
    columns: Mapping[str, str]

    def parts(self, *, truths: bool) -> dict[str, Any]:
        """Encoded, by the names of the tasks, "" for one. truths: with what is to be written of them."""
        path = self.data if self.data is not None else self.run.settings.data.path
        if path is not None and self.run.task.read is not None:
            return {"": self.run.given(Asked(Path(path), self.columns, truths=truths)).part}
        if self.data is not None:
            task = self.run.task.name
            raise RunError(f"a run of {task} reads no file of other rows; leave --data, its own test part is used")
        test = self.run.task.prepare(self.run.settings, self.run.setup.kept, unheard).test
        return dict(test.parts) if isinstance(test, SeveralPart) else {"": test}


FORMATS: dict[str, Callable[[Run, Path, _Rows, Callable[[], None]], Exported | AsTransformers]] = {
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
    (folder / "README.md").write_text(readme(run, described), encoding="utf-8")
    shutil.copyfile(_RUN, folder / "run.py")
    return checked


def _example(drawing: Drawing, part: Any, file: Path) -> None:
    """Rows of the data as arrays, with the model's own outputs beside them."""
    batch = part.batch(np.arange(min(_EXAMPLE, len(part))))
    if drawing.graph is None:
        assert drawing.loop is not None
        ids = drawing.loop.ids(batch)
        with torch.inference_mode():
            logits = drawing.loop.expected((), ids[:, :_SYMBOLS])
        arrays = {"ids": ids.numpy(), "lengths": batch.lengths.numpy(), "expected.logits": logits.numpy()}
    else:
        inputs = drawing.inputs(batch)
        with torch.inference_mode():
            outputs = drawing.graph.module(*inputs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        arrays = {name: one.numpy() for name, one in zip(drawing.graph.inputs, inputs, strict=True)}
        for name, one in zip(drawing.graph.outputs, outputs, strict=True):
            arrays[f"expected.{name}"] = one.numpy()
    np.savez_compressed(file, **arrays)
