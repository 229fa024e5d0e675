"""Pictures with a text and a class each: from files to parts of pixels, tokens and classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from regard.spec.errors import DataError
from regard.tasks.batches import encoded
from regard.tasks.epochs import decided_epochs
from regard.tasks.event import Listener, Note
from regard.tasks.image_data import constants_of, patches_of, pictures_of
from regard.tasks.memory_part import MemoryPart, TensorBatch
from regard.tasks.parting import parted, prepared
from regard.tasks.readers.captions import Caption, read_captions
from regard.tasks.sections import ImageSettings, SeenSettings, TokenSettings
from regard.tasks.settings import Settings, changed
from regard.tasks.table import Reading, usable
from regard.tasks.task import Asked, Given, Prepared, Setup
from regard.tasks.text_data import TOKENIZER, vocabulary_of
from regard.tasks.vocabulary import chosen_kind, train_vocabulary


def prepare_image_text(settings: Settings, kept: Mapping[str, str] | None, listen: Listener) -> Prepared:
    """The parts of a run that tells classes from pictures and texts together; no picture is in two parts.

    The facts hold the labels, the vocabulary's size, and mean and deviation of the training pixels, a channel.

    Raises:
        SpecError: the settings name no data, or both a named set and a file.
        DataError: the data cannot be read, or cannot be parted.
    """
    parts = parted(settings.data, "captions", _reader(settings, {}), listen)
    texts, tokens = [row.text for row in parts.train], settings.section(TokenSettings)
    kind = chosen_kind(texts, tokens)
    settings = changed(settings, {"tokens.kind": kind})
    if kept is None:
        vocabulary = train_vocabulary(texts, tokens, kind)
        kept = {TOKENIZER: vocabulary.tokenizer.to_str()}
        listen(Note(f"vocabulary of {len(vocabulary):,} {kind}, from the training part only"))
    labels = sorted({row.label for row in parts.train})
    size = len(vocabulary_of(Setup(settings, {}, kept)))
    setup = Setup(settings, {"labels": labels, "vocabulary": size}, kept)
    train = encode_image_text(parts.train, setup)
    constants = constants_of(train.collate(np.arange(len(train))).inputs[0])
    setup = Setup(decided_epochs(settings, train, listen), {**setup.facts, **constants}, kept)
    return prepared(setup, parts, lambda rows: train if rows is parts.train else encode_image_text(rows, setup))


def encode_image_text(rows: Sequence[Caption], setup: Setup) -> MemoryPart:
    """Pixels (rows, channels, size, size) uint8, token ids and their lengths.

    Raises:
        DataError: a label is unknown to the run.
    """
    image, use = setup.settings.section(ImageSettings), setup.settings.section(SeenSettings).use
    places = {name: place for place, name in enumerate(setup.facts["labels"])}
    unknown = sorted({row.label for row in rows} - {*places, ""})
    if unknown:
        raise DataError(f"labels unknown to this run: {', '.join(unknown)}; those it knows: {', '.join(places)}")
    shown = pictures_of([row.image for row in rows], image)
    truths = [places.get(row.label, 0) for row in rows]
    texts = encoded(vocabulary_of(setup).ids([row.text for row in rows]), truths)
    patches = 0 if use == "text" else patches_of(image)
    lengths = patches + (0 if use == "picture" else texts.lengths)
    lengths = np.broadcast_to(lengths, len(rows)).astype(np.int64)

    def collate(wanted: Any) -> TensorBatch:
        batch = texts.batch(wanted)
        tokens, longest = int(lengths[wanted].sum()), int(lengths[wanted].max())
        inputs = (shown[torch.from_numpy(wanted)], batch.ids, batch.lengths)
        return TensorBatch(inputs, batch.targets, tokens, longest * len(wanted))

    return MemoryPart(lengths, collate, texts.targets)


def read_more_image_text(asked: Asked, setup: Setup) -> Given:
    """Pictures with texts for a trained run: with `asked.truths` their labels too.

    Raises:
        DataError: they cannot be read, a row cannot be used, or a label is unknown to the run.
    """
    found = _reader(setup.settings, asked.columns, labelled=asked.truths)(asked.path)
    rows = usable(found, skip_refused=asked.skip_refused)
    marks = np.array([row.image.mark for row in rows], dtype=np.int64)
    shown, numbers = tuple(row.text for row in rows), tuple(row.number for row in rows)
    return Given(found.name, encode_image_text(rows, setup), numbers, shown, len(found.refused), marks)


def _reader(
    settings: Settings, columns: Mapping[str, str], *, labelled: bool = True
) -> Callable[[Path], Reading[Caption]]:
    named = {**settings.data.columns, **columns}
    return lambda path: read_captions(
        path,
        image=named.get("image", "image"),
        text=named.get("text", "text"),
        label=named.get("label", "label") if labelled else None,
        group=named.get("group"),
    )
