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
    from regard.train.run import Run

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
    if is_run(folder):
        from regard.train.run import load_run

        return read_by_run(load_run(folder), text, tokens=tokens)
    return read_by(opened(folder), text, tokens=tokens)


def image_subject(folder: Path, path: Path) -> Subject:
    """A picture and the model of a transformers folder.

    Raises:
        DataError: there is no such model, or the picture cannot be read.
        SpecError: the folder is a regard run, which reads texts.
        MissingExtraError: transformers or Pillow is not installed.
    """
    if is_run(folder):
        raise SpecError(f"{folder} is a run of a text classifier; give it a text with --text FILE")
    picture = picture_from(path)  # before the model, which takes longer
    return picture_subject(opened(folder, pictures=True), picture)


@dataclass(frozen=True, eq=False)
class Opened:
    """A transformers model, read from its folder once, to run on one input after another. inputs: its tokenizer, or
    what makes pixel values of a picture. writes: an encoder-decoder, which is observed while it reads what it wrote."""

    name: str
    model: nn.Module
    inputs: Any
    writes: bool = False


def opened(folder: Path, *, pictures: bool = False) -> Opened:
    """The model of a transformers folder with what its texts (or `pictures`) are read by.

    Raises:
        DataError: there is no such model.
        MissingExtraError: transformers is not installed.
    """
    from regard.bridges.transformers_folder import ModelFolder

    place = ModelFolder.of(folder)
    if pictures:
        processor, model = place.image_processor(), place.model()
        # of a model for pictures and texts, the part that looks
        return Opened(place.name, getattr(model, "vision_model", model), processor)
    tokenizer = place.tokenizer()
    writes = place.gguf is None and bool(getattr(place.config, "is_encoder_decoder", False))
    model = place.model(generates=writes)
    if not writes:
        model = getattr(model, "text_model", model)  # of a model for pictures and texts, the part that reads
        model.config.use_cache = False  # type: ignore[union-attr] # one pass: keys need not be kept for a next
    return Opened(place.name, model, tokenizer, writes)


def picture_subject(model: Opened, picture: Image) -> Subject:
    """A picture and a model that was opened for pictures.

    Raises:
        DataError: its attention cannot be laid over a picture.
    """
    from regard.bridges.transformers_inputs import image_inputs

    inputs = image_inputs(model.inputs, model.model, picture)

    def traced(recording: Recording) -> Trace:
        plain = recording.trace()
        longest = max((layer.keys for layer in plain.layers), default=0)
        return replace(plain.with_units((inputs.units(longest),)), model=model.name)

    size = f"{inputs.grid[0]} x {inputs.grid[1]} patches"
    return Subject(model.name, size, model.model, lambda: model.model(**inputs.arguments), traced, inputs.picture)


def is_run(folder: Path) -> bool:
    """Is it the folder of a regard run? (A transformers folder has a config.json too, which says other things.)"""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and {"asked", "settings", "regard"} <= set(config)


def read_by(model: Opened, text: str, *, tokens: int | None = None) -> Subject:
    """A text and a model that was opened for texts.

    Raises:
        DataError: the text is longer than the model reads, and `tokens` does not cut it.
    """
    from regard.bridges.transformers_inputs import text_inputs

    inputs = text_inputs(model.inputs, model.model, text, tokens=tokens)

    def traced(recording: Recording) -> Trace:
        if inputs.written is None:
            trace = recording.trace([inputs.units])
        else:
            trace = recording.trace([inputs.written], key_units=[inputs.units])
        return replace(trace, model=model.name)

    size = f"{len(inputs.units):,} tokens"
    if inputs.written is not None:
        size += f", answered with {len(inputs.written)}"
    return Subject(model.name, size, model.model, lambda: model.model(**inputs.arguments), traced)


def read_by_run(run: Run, text: str, *, tokens: int | None = None) -> Subject:
    """A text and a text classifier that was trained.

    Raises:
        DataError: the text is longer than the model reads, and `tokens` does not cut it.
    """
    from regard.tasks.batches import encoded

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
        return replace(_pooled(recording.trace([units]), units), model=name)

    name, size = run.folder.resolve().name, f"{len(units):,} tokens"
    return Subject(name, size, run.model, lambda: run.model(batch.ids, batch.lengths), traced)


def _pooled(trace: Trace, units: Units) -> Trace:
    """The trace with the pooling as what it is: one query, which is no token, over all tokens."""
    if all(layer.name != _POOLING for layer in trace.layers):
        return trace
    layers = tuple(replace(layer, kind="cross") if layer.name == _POOLING else layer for layer in trace.layers)
    made = replace(trace, layers=layers, units=(units,))
    query = (Units(("the whole text",), "vector"),)
    return made.with_units((units,), query_units={_POOLING: query}, key_units={_POOLING: (units,)})


def picture_from(path: Path) -> Image:
    """A picture file's colours. Raises `DataError` for what is none that can be read."""
    from regard.spec.extra import require

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
