"""Pictures with what they are called: from files to parts of pixels and symbols."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from regard.spec.errors import SpecError
from regard.tasks.epochs import decided_epochs
from regard.tasks.event import Listener, Note
from regard.tasks.image_data import constants_of, patches_of, pictures_of
from regard.tasks.origin import digest_of
from regard.tasks.pairs_data import target_symbols
from regard.tasks.parting import parted, prepared
from regard.tasks.readers.captions import Caption, read_captions
from regard.tasks.readers.images import read_images
from regard.tasks.sections import ImageSettings, TokenSettings, WritingSettings
from regard.tasks.settings import Settings
from regard.tasks.table import Reading, usable
from regard.tasks.task import Asked, Given, Prepared, Setup
from regard.tasks.text_data import TOKENIZER
from regard.tasks.text_symbols import WrittenKind, train_symbols, written
from regard.tasks.written_part import WrittenPart


def digest_captions(settings: Settings, listen: Listener) -> str:
    """What the bytes of the table and of the pictures that it names come down to. Raises as `data_paths` does."""
    return digest_of(settings.data, "captions", listen, named=settings.data.column("image"))


def prepare_captions(settings: Settings, kept: Mapping[str, str] | None, listen: Listener) -> Prepared:
    """The parts of a run that learns to say what pictures show; no picture is in two parts.

    The symbols are those of the training part. The facts hold mean and deviation of its pixels, a channel.

    Raises:
        SpecError: the settings name no data, both a named set and a file, or a kind of symbols that drops spaces.
        DataError: the data cannot be read, or cannot be parted.
    """
    kind = _kind(settings.section(TokenSettings))
    parts = parted(settings.data, "captions", _reader(settings, {}), listen)
    if kept is None:
        texts, tokens = [row.text for row in parts.train], settings.section(TokenSettings)
        made = train_symbols(texts, kind=kind, size=tokens.size, least=tokens.least)
        kept = {TOKENIZER: made.to_str()}
        listen(Note(f"vocabulary of {made.get_vocab_size():,} {kind}, from the training part only"))
    setup = Setup(settings, {}, kept)
    train = encode_captions(parts.train, setup)
    constants = constants_of(train.given(np.arange(len(train)))[0])
    setup = Setup(decided_epochs(settings, train, listen), constants, kept)
    found = prepared(setup, parts, lambda rows: train if rows is parts.train else encode_captions(rows, setup))
    if len({row.image.mark for row in parts.test}) == len(parts.test):
        return found
    return replace(found, groups=[row.image.mark for row in parts.test])  # texts of one picture hang together


def encode_captions(rows: Sequence[Caption], setup: Setup) -> WrittenPart:
    """Pixels in memory, and the symbols of what is to be written, cut so that they end within `writing.longest`."""
    image, most = setup.settings.section(ImageSettings), setup.settings.section(WritingSettings).longest
    shown = pictures_of([row.image for row in rows], image)
    texts = [row.text for row in rows]
    symbols = [one.ids[: most - 1] for one in written(target_symbols(setup), texts)]

    def given(wanted: Any) -> tuple[Tensor]:
        return (shown[torch.from_numpy(wanted)],)

    return WrittenPart(np.full(len(rows), patches_of(image)), given, symbols, texts)


def read_more_captions(asked: Asked, setup: Setup) -> Given:
    """Pictures for a trained run: with `asked.truths` their texts too; without, any table or folder of pictures.

    Raises:
        DataError: they cannot be read, or a row cannot be used.
    """
    found = _reader(setup.settings, asked.columns, truths=asked.truths)(asked.path)
    rows = usable(found, skip_refused=asked.skip_refused)
    places = [row.image.place for row in rows]
    shown = tuple(place.path.name if place.row < 0 else f"picture {row.number}"
                  for place, row in zip(places, rows, strict=True))  # fmt: skip
    marks = np.array([row.image.mark for row in rows], dtype=np.int64)
    numbers = tuple(row.number for row in rows)
    return Given(found.name, encode_captions(rows, setup), numbers, shown, len(found.refused), marks)


def _kind(tokens: TokenSettings) -> WrittenKind:
    kinds: dict[str, Literal["characters", "subwords"]] = {"characters": "characters", "subwords": "subwords"}
    if tokens.kind not in kinds:
        raise SpecError(f"tokens.kind was {tokens.kind!r}: a text is written in characters or in subwords")
    return kinds[tokens.kind]


def _reader(
    settings: Settings, columns: Mapping[str, str], *, truths: bool = True
) -> Callable[[Path], Reading[Caption]]:
    named = {**settings.data.columns, **columns}
    image = named.get("image", "image")
    if truths:
        return lambda path: read_captions(path, image=image, text=named.get("text", "text"), group=named.get("group"))
    return lambda path: _untold(path, image)


def _untold(path: Path, image: str) -> Reading[Caption]:
    found = read_images(path, image=image, label=None)
    rows = tuple(Caption(row.number, row, "") for row in found.rows)
    return Reading(found.name, found.columns, rows, found.refused, found.notes)
