"""Texts that are given in memory, as rows of a text classifier or of a model that tells a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from regard.spec.errors import DataError
from regard.tasks.batches import TextPart, encoded
from regard.tasks.event import Listener
from regard.tasks.settings import Settings
from regard.tasks.task import Setup
from regard.tasks.text_data import vocabulary_of, with_vocabulary

_SHOWN = 3  # refused texts that a message names one by one


def checked_texts(texts: Sequence[Any]) -> list[str]:
    """The texts.

    Raises:
        DataError: some are no texts, or have no character but spaces; the message names their places, from 0.
    """
    refused = []
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            refused.append(f"{place} is {type(text).__name__}, no text")
        elif not text.strip():
            refused.append(f"{place} is empty")
    if refused:
        more = f"; and {len(refused) - _SHOWN} more" if len(refused) > _SHOWN else ""
        raise DataError(
            f"{len(refused)} of {len(texts)} texts cannot be used: text {'; text '.join(refused[:_SHOWN])}{more}. "
            "Correct them, or leave those rows out"
        )
    return list(texts)


def text_setup(settings: Settings, texts: Sequence[str], listen: Listener) -> Setup:
    """A setup with a vocabulary of these texts, those to train on."""
    settings, kept = with_vocabulary(settings, texts, None, listen)
    return Setup(settings, {"vocabulary": len(vocabulary_of(Setup(settings, {}, kept)))}, kept)


def texts_part(texts: Sequence[str], truths: NDArray[Any], setup: Setup) -> TextPart:
    """Texts in tokens; truths (rows,): class indices, or numbers."""
    part = encoded(vocabulary_of(setup).ids(texts), [0] * len(texts))
    return replace(part, targets=truths)
