"""Recordings with what is said in them: from files to parts of samples and symbols."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from regard.nn.front_ends import AudioFrontEnd
from regard.spec.errors import DataError
from regard.tasks.epochs import decided_epochs
from regard.tasks.event import Listener, Note
from regard.tasks.origin import digest_of
from regard.tasks.pairs_data import target_symbols
from regard.tasks.parting import parted, prepared
from regard.tasks.readers.parts import Parts
from regard.tasks.readers.speech import Speech, common_rate
from regard.tasks.readers.speech_tables import read_speech_tables
from regard.tasks.readers.wave_sound import SoundRules, samples_of
from regard.tasks.scores.transcripts import AS_WRITTEN, SPOKEN, Reading
from regard.tasks.sections import SoundSettings, TokenSettings, WritingSettings
from regard.tasks.settings import Settings
from regard.tasks.sound_front import count_tokens, mel_of
from regard.tasks.table import Reading as Read
from regard.tasks.table import usable
from regard.tasks.task import Asked, Given, Prepared, Setup
from regard.tasks.text_data import TOKENIZER
from regard.tasks.text_symbols import train_symbols, written
from regard.tasks.written_part import WrittenPart

_AT_ONCE = 16  # recordings whose frames are held at once to take the constants from


def digest_speech(settings: Settings, listen: Listener) -> str:
    """What the bytes of the tables and of the recordings that they name come down to. Raises as `data_paths` does."""
    return digest_of(settings.data, "speech", listen, named=settings.data.column("path"))


def prepare_speech(settings: Settings, kept: Mapping[str, str] | None, listen: Listener) -> Prepared:
    """The parts of a run that learns to write down what it hears; recordings of one group go to one part.

    The characters are those of the training part, in which recordings are left out, and told, whose text is longer
    than `writing.longest`. The facts hold the rate, and mean and deviation of each band of pitch.

    Raises:
        SpecError: the settings name no data, or both a named set and a file.
        DataError: the data cannot be read, or cannot be parted.
        MissingExtraError: resampling is asked for and scipy is not installed.
    """
    parts = parted(settings.data, "speech", _reader(settings, {}, None), listen)
    rate = settings.section(SoundSettings).rate or common_rate(parts.train)
    if kept is None:
        tokens, said = settings.section(TokenSettings), reading_of(settings)
        texts = (said.read(row.text) for row in parts.train)
        made = train_symbols(texts, kind="characters", size=tokens.size, least=tokens.least)
        kept = {TOKENIZER: made.to_str()}
        listen(Note(f"vocabulary of {made.get_vocab_size():,} characters, from the training part only"))
    setup = Setup(settings, {"rate": rate}, kept)
    parts, too_long = _without_long(parts, setup, listen)
    setup = replace(setup, facts={"rate": rate, **_constants(parts.train, setup)})
    train = encode_speech(parts.train, setup)
    setup = replace(setup, settings=decided_epochs(settings, train, listen))
    found = prepared(setup, parts, lambda rows: train if rows is parts.train else encode_speech(rows, setup))
    return replace(found, counts={**found.counts, "long_texts": too_long})


def encode_speech(rows: Sequence[Speech], setup: Setup) -> WrittenPart:
    """Samples in memory, 16 bits each (an hour at 16 kHz is 115 MB), and the symbols of what is said."""
    rate, most = setup.facts["rate"], setup.settings.section(WritingSettings).longest
    said = reading_of(setup.settings)
    sounds = [_samples(row, rate) for row in rows]
    truths = [said.read(row.text) for row in rows]
    symbols = [one.ids[: most - 1] for one in written(target_symbols(setup), truths)]
    read = count_tokens(setup, torch.tensor([len(one) for one in sounds])).numpy()

    def given(wanted: Any) -> tuple[Tensor, Tensor]:
        return padded([sounds[row] for row in wanted])

    return WrittenPart(read, given, symbols, truths)


def read_more_speech(asked: Asked, setup: Setup) -> Given:
    """Recordings for a trained run: with `asked.truths` what is said in them too.

    Raises:
        DataError: they cannot be read, or a row cannot be used.
    """
    read = _reader(setup.settings, asked.columns, setup.facts["rate"], truths=asked.truths)
    found = read(asked.path)
    rows = usable(found, skip_refused=asked.skip_refused)
    marks = np.array([row.mark for row in rows], dtype=np.int64)
    shown, numbers = tuple(row.path.name for row in rows), tuple(row.number for row in rows)
    return Given(found.name, encode_speech(rows, setup), numbers, shown, len(found.refused), marks)


def reading_of(settings: Settings) -> Reading:
    """What is done to texts before they are learned, and scored."""
    return SPOKEN if settings.section(SoundSettings).said == "spoken" else AS_WRITTEN


def padded(sounds: Sequence[np.ndarray[Any, Any]]) -> tuple[Tensor, Tensor]:
    """Samples (rows, longest) int16, 0 at the end, and how many each has (rows,)."""
    lengths = torch.tensor([len(one) for one in sounds])
    samples = torch.zeros(len(sounds), int(lengths.max()), dtype=torch.int16)
    for row, one in enumerate(sounds):
        samples[row, : len(one)] = torch.from_numpy(one)
    return samples, lengths


def _samples(row: Speech, rate: int) -> np.ndarray[Any, Any]:
    try:
        content = row.path.read_bytes()
    except OSError as error:
        raise DataError(f"{row.path}: {error.strerror}; put it back, or remove its row") from None
    whole: np.ndarray[Any, Any] = np.rint(samples_of(content, rate=rate) * 32768).clip(-32768, 32767).astype(np.int16)
    return whole


def _reader(
    settings: Settings, columns: Mapping[str, str], rate: int | None, *, truths: bool = True
) -> Callable[[Path], Read[Speech]]:
    sound, named = settings.section(SoundSettings), {**settings.data.columns, **columns}
    rules = SoundRules(rate=rate or sound.rate, channels=sound.channels, other_rate=sound.other_rate)
    said = reading_of(settings)
    return lambda path: read_speech_tables(
        path,
        file=named.get("path", "path"),
        text=named.get("text", "text") if truths else None,
        group=named.get("group"),
        rules=rules,
        said=said.read,
    )


def _without_long(parts: Parts[Speech], setup: Setup, listen: Listener) -> tuple[Parts[Speech], int]:
    """The parts without training recordings whose text is too long to be written, and how many those are."""
    most, said = setup.settings.section(WritingSettings).longest, reading_of(setup.settings)
    train = tuple(row for row in parts.train if len(said.read(row.text)) < most)
    if not train:
        raise DataError(f"no training text has fewer than {most} characters; raise writing.longest")
    left = len(parts.train) - len(train)
    if left:
        listen(Note(f"{left:,} training recordings left out: texts of {most} characters or more"))
    return replace(parts, train=train), left


def _constants(rows: Sequence[Speech], setup: Setup) -> dict[str, list[float]]:
    """Mean and deviation of each band over all frames of the recordings."""
    front = AudioFrontEnd(1, mel_of(setup))
    sounds = [_samples(row, setup.facts["rate"]) for row in rows]
    front.fit(padded(sounds[place : place + _AT_ONCE]) for place in range(0, len(sounds), _AT_ONCE))
    return {"mean": front.standard.mean.tolist(), "deviation": front.standard.deviation.tolist()}
