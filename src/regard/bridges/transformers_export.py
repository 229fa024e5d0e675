"""Trained runs as folders of transformers, where that library has the architecture: `AutoModel...from_pretrained` opens
them without this package. Each is loaded again and held against the run before its folder gets its name.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from regard.bridges import transformers_neox, transformers_pegasus
from regard.bridges.transformers_converted import Converted, drawn_ids
from regard.bridges.transformers_folder import quiet, transformers
from regard.disk import make_folder
from regard.spec.errors import RunError
from regard.tasks.part import MeasuredPart
from regard.tasks.text_symbols import START_ID
from regard.train.run import Run

TOLERANCE = 1e-5  # of the largest logit: what the two may be apart
_ROWS = 5  # real ones that they are compared on

_CONVERT: dict[tuple[str, str], Callable[[Run], Converted]] = {  # task, kind of core -> how
    ("language-model", "transformer"): transformers_neox.convert,
    ("translate", "transformer"): transformers_pegasus.convert,
    ("summarise", "transformer"): transformers_pegasus.convert,
}
_POOLED = (
    "its classes are told of a vector that attention pools, and transformers' classifiers read one token or a mean"
)
_WHY_NOT = {  # task -> why it has none, and the nearest
    "sentiment": (_POOLED, "EsmForSequenceClassification, whose layers are the same"),
    "classify": (_POOLED, "EsmForSequenceClassification, whose layers are the same"),
    "images": (_POOLED, "IJepaForImageClassification, which takes the mean of the patches"),
    "masked-images": ("its head tells pixels of one linear layer", "ViTForMaskedImageModeling"),
    "masked-text": ("its head is one linear layer, without GELU and normalisation", "EsmForMaskedLM"),
    "tag": ("a word's vector is the sum of three tables (word, ending, shape)", "EsmForTokenClassification"),
    "music": ("its symbols are notes, which no tokenizer of that library cuts", "GPTNeoXForCausalLM"),
    "speech": ("its convolutions and its second way of writing are its own", "Speech2TextForConditionalGeneration"),
    "caption": ("its convolutions are its own", "VisionEncoderDecoderModel"),
    "forecast": ("its patches hold covariates and steps to come", "PatchTSTForPrediction"),
    "detect": ("its convolutions and its guide are its own", "DetrForObjectDetection"),
}
_RECURRENT = "it reads with LSTMs, and transformers has transformers"


@dataclass(frozen=True)
class Exported:
    """What was written. difference: the largest of logits, over the largest logit, at inputs of `lengths` ids."""

    folder: Path
    architecture: str
    auto: str
    pipeline: str | None
    difference: float
    lengths: tuple[int, ...]
    differs: tuple[str, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """What lies in the folder."""
        return tuple(sorted(one.name for one in self.folder.iterdir()))

    def lines(self) -> list[str]:
        """What to tell of it."""
        lengths = ", ".join(map(str, self.lengths))
        opened = f'pipeline("{self.pipeline}", model=...)' if self.pipeline else f"{self.auto}.from_pretrained(...)"
        told = [f"{self.folder}: {self.architecture}; open it with {opened}, without regard"]
        told.append(f"logits within {self.difference:.1e} of the run's at {lengths} symbols")
        return [*told, *(f"not alike: {one}" for one in self.differs)]


def export_transformers(
    run: Run, folder: str | Path, *, part: MeasuredPart | None = None, texts: tuple[str, ...] = ()
) -> Exported:
    """Writes a run as a folder of transformers: config.json, model.safetensors, generation_config.json and the
    tokenizer's files. Both are compared on symbols drawn at five lengths, on rows of `part` (five, from the shortest to
    the longest), and on `texts`, which the tokenizers must also cut alike.

    Raises:
        RunError: transformers has no such architecture (the nearest is named), the folder is there already, or what
            was written does not give what the run gives.
        MissingExtraError: transformers is not installed.
    """
    transformers()
    path = Path(folder)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise RunError(f"{path} is there already; name a new folder")
    converted = converter(run)(run)
    made = path.with_name(f"{path.name}.partial")
    shutil.rmtree(made, ignore_errors=True)
    make_folder(made)
    try:
        _write(converted, made)
        real = [*_rows_of(part), *(_own_ids(run, text) for text in texts)]
        lengths, difference = _compared(converted, made, real, lambda tokenizer: _check_cuts(run, tokenizer, texts))
        if path.exists():
            path.rmdir()
        made.rename(path)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return Exported(
        path,
        converted.architecture,
        converted.auto,
        converted.pipeline,
        difference,
        lengths,
        converted.differs,
    )


def converter(run: Run) -> Callable[[Run], Converted]:
    """How the run becomes one of transformers' models. Raises `RunError` where it cannot."""
    task, kind = run.task.name, run.settings.core.kind
    found = _CONVERT.get((task, kind))
    if found is not None:
        return found
    why, nearest = _WHY_NOT.get(task, ("no model of transformers is built like it", ""))
    if kind != "transformer":
        why, nearest = _RECURRENT, ""
    near = f"; the nearest is {nearest}" if nearest else ""
    can = ", ".join(sorted({name for name, _ in _CONVERT}))
    raise RunError(
        f"a run of {task} ({kind}) is no standard architecture: {why}{near}. Those that are: {can} with a transformer; "
        "--format onnx takes the others"
    )


def _write(converted: Converted, folder: Path) -> None:
    with quiet():
        for name, value in converted.generation.items():
            setattr(converted.model.generation_config, name, value)
        converted.model.save_pretrained(folder)
        converted.tokenizer.save_pretrained(folder)


def _compared(
    converted: Converted, folder: Path, real: list[Tensor], check: Callable[[Any], None]
) -> tuple[tuple[int, ...], float]:
    """(lengths, the largest difference) of the folder, loaded again, and the run. real: ids (1, len) of real inputs.

    Raises:
        RunError: they differ, or the tokenizers cut a text otherwise.
    """
    library = transformers()
    with quiet():
        model = getattr(library, converted.auto).from_pretrained(folder, local_files_only=True).eval()
        tokenizer = library.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    vocabulary = int(model.config.vocab_size)
    inputs = drawn_ids(converted.longest, vocabulary, converted.first, signs=START_ID + 1)
    inputs += real
    check(tokenizer)
    worst = 0.0
    with torch.inference_mode():
        for ids in inputs:
            worst = max(worst, _apart(converted.own(ids), converted.theirs(model, ids)))
    if not worst <= TOLERANCE:
        raise RunError(
            f"the folder's model is off by {worst:.2g} of the largest logit, expected at most {TOLERANCE:g}: nothing "
            "was written"
        )
    return tuple(sorted({ids.shape[1] for ids in inputs})), worst


def _check_cuts(run: Run, tokenizer: Any, texts: tuple[str, ...]) -> None:
    """Raises `RunError` for a text that the folder's tokenizer cuts otherwise, of those that are read whole."""
    for text in texts:
        own = _own_ids(run, text)
        theirs = torch.tensor([tokenizer(text, truncation=False)["input_ids"]])
        if own.shape[1] < tokenizer.model_max_length and not torch.equal(own, theirs):
            raise RunError(f"the folder's tokenizer cuts {text[:40]!r} otherwise than the run's: nothing was written")


def _rows_of(part: MeasuredPart | None) -> list[Tensor]:
    """Ids of some rows, from the shortest to the longest."""
    if part is None or not len(part):
        return []
    order = part.lengths.argsort(kind="stable")
    chosen = sorted({len(order) * step // (_ROWS - 1) for step in range(_ROWS - 1)} | {len(order) - 1})
    return [_ids(part.batch(order[place : place + 1])) for place in chosen]


def _own_ids(run: Run, text: str) -> Tensor:
    """What the run's model is given for a text."""
    return _ids(run.typed([text]).part.batch(np.zeros(1, dtype=np.int64)))


def _ids(batch: Any) -> Tensor:
    """(1, len): what is read of a batch of one row."""
    ids: Tensor = batch.source if hasattr(batch, "source") else batch.ids
    return ids[:, : int(batch.lengths[0])]


def _apart(own: Tensor, theirs: Tensor) -> float:
    if own.shape != theirs.shape:
        return float("inf")
    return float((own - theirs).abs().max() / own.abs().max().clamp_min(1e-12))
