"""A long text as what a decoder is measured on: the model with its head, and pieces of the text, token by token."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from regard.spec.errors import DataError


@dataclass(frozen=True, eq=False)
class Reader:
    """name: of the model. pieces: of the text, (1, tokens) ids each, evenly spread over it, none overlapping."""

    name: str
    model: nn.Module
    pieces: tuple[Tensor, ...]

    @classmethod
    def of(cls, folder: Path, text: str, *, tokens: int, samples: int) -> Reader:
        """The model of a folder, and `samples` pieces of `tokens` tokens, each begun as the tokenizer begins a text.

        Raises:
            DataError: there is no such model, it does not write text, has fewer positions, or the text is too short.
            MissingExtraError: transformers is not installed.
        """
        from regard.bridges.transformers_folder import ModelFolder
        from regard.bridges.transformers_inputs import positions

        place = ModelFolder.of(folder)
        tokenizer, model = place.tokenizer(), place.writer()
        most = positions(model)
        if most is not None and tokens > most:
            raise DataError(f"--tokens {tokens:,}: {place.name} has {most:,} positions; ask for fewer")
        whole = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        front = [tokenizer.bos_token_id] if tokenizer("")["input_ids"] == [tokenizer.bos_token_id] else []
        return cls(place.name, model, tuple(_pieces(whole, front, tokens, samples)))


def _pieces(ids: list[int], front: list[int], tokens: int, samples: int) -> list[Tensor]:
    own = tokens - len(front)
    if own < 1 or own * samples > len(ids):
        raise DataError(
            f"the text has {len(ids):,} tokens, and --samples {samples} of --tokens {tokens:,} need "
            f"{max(own, 1) * samples:,}; ask for fewer, or give a longer text"
        )
    starts = [(len(ids) - own) * at // max(1, samples - 1) for at in range(samples)]
    return [torch.tensor([[*front, *ids[start : start + own]]]) for start in starts]
