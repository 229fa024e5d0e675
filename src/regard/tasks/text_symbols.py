"""Whole texts as symbols, nothing left out: spaces and line breaks are symbols too, for models that write on.

characters: one symbol for each character. subwords: byte-pair encoding over bytes (Radford et al. 2019), so that every
text can be written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from regard.spec.errors import CheckpointError
from regard.tasks.vocabulary import PADDING, UNKNOWN

START = "<start>"
START_ID = 2
WrittenKind = Literal["characters", "subwords"]


@dataclass(frozen=True)
class Written:
    """A text in symbols: ids (symbols,) int32, and of each the first character after it in the text (symbols,)."""

    ids: NDArray[np.int32]
    ends: NDArray[np.int64]


def train_symbols(texts: Iterable[str], *, kind: WrittenKind, size: int, least: int) -> Tokenizer:
    """A vocabulary of the given (training) texts: of at most `size` symbols that occur `least` times or more."""
    signs: list[Any] = [PADDING, UNKNOWN, START]
    if kind == "characters":
        tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated")
        tokenizer.decoder = decoders.Fuse()
        trainer: Any = trainers.WordLevelTrainer(
            vocab_size=size, min_frequency=least, special_tokens=signs, show_progress=False
        )
    else:
        tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=size,
            min_frequency=least,
            special_tokens=signs,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


@lru_cache(maxsize=4)
def symbols_from(kept: str) -> Tokenizer:
    """The vocabulary that a run keeps.

    Raises:
        CheckpointError: it cannot be read.
    """
    try:
        return Tokenizer.from_str(kept)
    except Exception as error:  # the library raises bare Exception
        raise CheckpointError(
            f"the run's vocabulary cannot be read ({error}); train it again in a new folder"
        ) from None


def written(tokenizer: Tokenizer, texts: Sequence[str]) -> list[Written]:
    """Each text in symbols, in order."""
    return [
        Written(np.array(one.ids, dtype=np.int32), np.array([end for _, end in one.offsets], dtype=np.int64))
        for one in tokenizer.encode_batch(list(texts), add_special_tokens=False)
    ]
