"""Texts of which some tokens are hidden, for a model to guess (Devlin et al. 2018, arXiv 1810.04805, §3.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regard.tasks.batches import TextPart
from regard.tasks.sections import HiddenSettings
from regard.tasks.vocabulary import UNKNOWN_ID

_FIRST = 2  # the first id that is a token of a text: those before are padding and <unknown>


@dataclass(frozen=True)
class HiddenBatch:
    """ids (batch, len): the texts as they are; shown (batch, len): as the model reads them; hidden (batch, len) bool:
    what it has to guess; lengths (batch,)."""

    ids: Tensor
    shown: Tensor
    hidden: Tensor
    lengths: Tensor

    def __len__(self) -> int:
        return self.ids.shape[0]

    @property
    def tokens(self) -> int:
        return int(self.lengths.sum())

    @property
    def places(self) -> int:
        return self.ids.numel()

    def to(self, device: torch.device) -> HiddenBatch:
        """The same batch on another device."""
        return HiddenBatch(*(one.to(device) for one in (self.ids, self.shown, self.hidden, self.lengths)))

    def drawn(self, settings: HiddenSettings, vocabulary: int) -> HiddenBatch:
        """The same texts with other tokens hidden, by torch's random state: what training does at every step."""
        noise = torch.rand(2, *self.ids.shape).to(self.ids.device)
        others = torch.randint(_FIRST, max(vocabulary, _FIRST + 1), self.ids.shape).to(self.ids.device)
        hidden = (noise[0] < settings.share) & (self.ids >= _FIRST)
        return HiddenBatch(self.ids, _shown(self.ids, hidden, noise[1], others, settings), hidden, self.lengths)


@dataclass(frozen=True)
class HiddenPart:
    """Texts whose hidden tokens are fixed by each text itself, so that every model and baseline guesses the same ones.

    truths: of each text, the ids that are hidden, in order.
    """

    texts: TextPart
    settings: HiddenSettings
    vocabulary: int

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each text, (rows,)."""
        return self.texts.lengths

    @property
    def truths(self) -> list[NDArray[np.int64]]:
        return [ids[hidden].astype(np.int64) for ids, hidden in (self._fixed(row)[:2] for row in range(len(self)))]

    def batch(self, rows: NDArray[np.int64]) -> HiddenBatch:
        """The batch of these texts, in this order."""
        plain = self.texts.batch(rows)
        hidden, shown = torch.zeros(plain.ids.shape, dtype=torch.bool), plain.ids.clone()
        for place, row in enumerate(rows.tolist()):
            ids, where, noise, others = self._fixed(row)
            hidden[place, : len(ids)] = torch.from_numpy(where)
            whole = plain.ids[place, : len(ids)]
            how, other = torch.from_numpy(noise), torch.from_numpy(others)
            shown[place, : len(ids)] = _shown(whole, torch.from_numpy(where), how, other, self.settings)
        return HiddenBatch(plain.ids, shown, hidden, plain.lengths)

    def _fixed(self, row: int) -> tuple[NDArray[np.int32], NDArray[np.bool_], NDArray[np.float64], NDArray[np.int64]]:
        """(ids, which are hidden, noise that decides how, other tokens) of one text, drawn from its own ids; of a text
        with any token that is known, at least one is hidden."""
        ids = self.texts.flat[self.texts.starts[row] : self.texts.starts[row + 1]]
        draw = np.random.default_rng(ids.astype(np.uint32))
        noise, how = draw.random(len(ids)), draw.random(len(ids))
        others = draw.integers(_FIRST, max(self.vocabulary, _FIRST + 1), len(ids))
        known = ids >= _FIRST
        hidden = known & (noise < self.settings.share)
        if known.any() and not hidden.any():
            hidden[np.flatnonzero(known)[noise[known].argmin()]] = True
        return ids, hidden, how, others


def _shown(ids: Tensor, hidden: Tensor, how: Tensor, others: Tensor, settings: HiddenSettings) -> Tensor:
    """What the model reads: most hidden tokens as <unknown>, some as another token, some as they are."""
    read = ids.masked_fill(hidden & (how >= settings.kept), UNKNOWN_ID)
    swapped = hidden & (how >= settings.kept) & (how < settings.kept + settings.other)
    return torch.where(swapped, others, read)
