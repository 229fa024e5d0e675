"""What is observed: a model and one input, ready to run, and what its queries and keys are to a person."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from regard.lens.recording import Recording
from regard.lens.trace import Trace
from regard.lens.units import Units
from regard.spec.errors import DataError, SpecError

if TYPE_CHECKING:
    from PIL.Image import Image

    from regard.tasks.event import Listener

_POOLING = "pooling"  # a text classifier's last attention: one learned query over the whole text


@dataclass(frozen=True, eq=False)
class Subject:
    """name: of the model. size: of the input, in words. run: calls the model once. traced: puts the units to what was
    seen. picture: for an image, as the model sees it."""

    name: str
    size: str
    model: nn.Module
    run: Callable[[], Any]
    traced: Callable[[Recording], Trace]
    picture: Image | None = None


def model_folder(given: Path, listen: Listener) -> Path:
    """The folder (or GGUF file) that was typed, or that of a named model, fetched if it is not here.

    Raises:
        DataError: there is neither.
    """
    from regard.tasks.sources import SOURCES, obtain

    if given.exists():
        return given
    names = {source.name: source for source in SOURCES.values() if source.kind == "model"}
    if str(given) in names:
        return obtain(names[str(given)], listen)
    raise DataError(f"{given}: no such folder; give a model's folder, or one of the names {', '.join(names)}")


def text_subject(folder: Path, text: str, *, tokens: int | None = None) -> Subject:
    """A text and the model of a folder: transformers' or a regard run's.

    Raises:
        DataError: there is no such model, or the text is longer than it reads and `tokens` does not cut it.
        CheckpointError: a regard run that is not done, or that is damaged.
        MissingExtraError: transformers is not installed.
    """
    return _run_subject(folder, text, tokens) if is_run(folder) else _folder_subject(folder, text, tokens)


def image_subject(folder: Path, path: Path) -> Subject:
    """A picture and the model of a transformers folder.

    Raises:
        DataError: there is no such model, or the picture cannot be read.
        SpecError: the folder is a regard run, which reads texts.
        MissingExtraError: transformers or Pillow is not installed.
    """
    if is_run(folder):
        raise SpecError(f"{folder} is a run of a text classifier; give it a text with --text FILE")
    from regard.bridges.transformers_folder import ModelFolder
    from regard.bridges.transformers_inputs import image_inputs

    place, picture = ModelFolder.of(folder), _picture(path)
    processor = place.image_processor()
    model = place.model()
    model = getattr(model, "vision_model", model)  # of a model for pictures and texts, the part that looks
    inputs = image_inputs(processor, model, picture)

    def traced(recording: Recording) -> Trace:
        plain = recording.trace()
        longest = max((layer.keys for layer in plain.layers), default=0)
        return replace(plain.with_units((inputs.units(longest),)), model=place.name)

    size = f"{inputs.grid[0]} x {inputs.grid[1]} patches"
    return Subject(place.name, size, model, lambda: model(**inputs.arguments), traced, inputs.picture)


def is_run(folder: Path) -> bool:
    """Is it the folder of a regard run? (A transformers folder has a config.json too, which says other things.)"""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and {"asked", "settings", "regard"} <= set(config)


def _folder_subject(folder: Path, text: str, tokens: int | None) -> Subject:
    from regard.bridges.transformers_folder import ModelFolder
    from regard.bridges.transformers_inputs import text_inputs

    place = ModelFolder.of(folder)
    tokenizer = place.tokenizer()
    writes = place.gguf is None and bool(getattr(place.config, "is_encoder_decoder", False))
    model = place.model(generates=writes)
    if not writes:
        model = getattr(model, "text_model", model)  # of a model for pictures and texts, the part that reads
        model.config.use_cache = False  # type: ignore[union-attr] # one pass: keys need not be kept for a next
    inputs = text_inputs(tokenizer, model, text, tokens=tokens)

    def traced(recording: Recording) -> Trace:
        if inputs.written is None:
            trace = recording.trace([inputs.units])
        else:
            trace = recording.trace([inputs.written], key_units=[inputs.units])
        return replace(trace, model=place.name)

    size = f"{len(inputs.units):,} tokens"
    if inputs.written is not None:
        size += f", answered with {len(inputs.written)}"
    return Subject(place.name, size, model, lambda: model(**inputs.arguments), traced)


def _run_subject(folder: Path, text: str, tokens: int | None) -> Subject:
    from regard.tasks.batches import encoded
    from regard.train.run import load_run

    run = load_run(folder)
    (pieces,) = run.vocabulary.pieces([text])
    most, length = run.vocabulary.longest, len(pieces.ids) + pieces.unread
    if pieces.unread and tokens is None:
        raise DataError(
            f"the text has {length:,} tokens, and the model reads {most:,}; read only the first with --tokens {most}"
        )
    if tokens is not None and tokens > most:
        raise DataError(f"--tokens {tokens:,}: the model reads {most:,}; ask for at most so many")
    spans = pieces.spans[:tokens]
    batch = encoded([pieces.ids[:tokens]], [0]).batch(np.array([0]))
    units = Units(tuple(text[start:end] for start, end in spans), "token", spans=tuple(spans), source=text)

    def traced(recording: Recording) -> Trace:
        return replace(_pooled(recording.trace([units]), units), model=folder.resolve().name)

    size = f"{len(units):,} tokens"
    return Subject(folder.resolve().name, size, run.model, lambda: run.model(batch.ids, batch.lengths), traced)


def _pooled(trace: Trace, units: Units) -> Trace:
    """The trace with the pooling as what it is: one query, which is no token, over all tokens."""
    if all(layer.name != _POOLING for layer in trace.layers):
        return trace
    layers = tuple(replace(layer, kind="cross") if layer.name == _POOLING else layer for layer in trace.layers)
    made = replace(trace, layers=layers, units=(units,))
    query = (Units(("the whole text",), "vector"),)
    return made.with_units((units,), query_units={_POOLING: query}, key_units={_POOLING: (units,)})


def _picture(path: Path) -> Image:
    from regard.tasks.extra import require

    require("PIL", what="reading a picture", extra="transformers")
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as opened:
            return opened.convert("RGB")
    except UnidentifiedImageError:
        raise DataError(f"{path} is no picture that can be read; expected a PNG, JPEG or WebP file") from None
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path} cannot be read ({reason}); give the path of a picture") from None
