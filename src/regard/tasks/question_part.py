"""Encoded questions: the text and the question, one after the other, in batches."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regard.tasks.vocabulary import PADDING_ID

Span = tuple[int, int]


@dataclass(frozen=True)
class Asking:
    """One question, ready to be read.

    ids: the tokens of the text, then those of the question. spans: [start, end) of each in `text`, the text and the
    question in one string. first: the question's first token. places: every (first, last token) at which the right
    answer stands. target: the right answer's class; -1 where the run has none.
    """

    ids: NDArray[np.int64]
    spans: tuple[Span, ...]
    first: int
    text: str
    question: str
    places: tuple[Span, ...]
    target: int

    def said(self, first: int, last: int) -> str:
        """What stands there, from one token to another, both included."""
        return self.text[self.spans[first][0] : self.spans[last][1]]

    @property
    def words(self) -> tuple[str, ...]:
        """Each token as it is written; those of the question say so."""
        found = (self.text[start:end] for start, end in self.spans)
        return tuple(word if place < self.first else f"question: {word}" for place, word in enumerate(found))


@dataclass(frozen=True)
class QuestionBatch:
    """ids (batch, len) int64, padded at the end; kinds (batch, len) int64: 0 the text, 1 the question; lengths
    (batch,); targets (batch,): classes, -1 for none; starts, ends (batch, most): the first and the last token of every
    place where the right answer stands, -1 where there are fewer; rows: what the batch was made of."""

    ids: Tensor
    kinds: Tensor
    lengths: Tensor
    targets: Tensor
    starts: Tensor
    ends: Tensor
    rows: tuple[Asking, ...]

    def __len__(self) -> int:
        return self.ids.shape[0]

    @property
    def inputs(self) -> tuple[Tensor, Tensor, Tensor]:
        """What the model is given."""
        return self.ids, self.kinds, self.lengths

    @property
    def tokens(self) -> int:
        return int(self.lengths.sum())

    @property
    def places(self) -> int:
        return self.ids.numel()

    def to(self, device: torch.device) -> QuestionBatch:
        """The same batch on another device."""
        held = self.ids, self.kinds, self.lengths, self.targets, self.starts, self.ends
        ids, kinds, lengths, targets, starts, ends = (one.to(device) for one in held)
        return QuestionBatch(ids, kinds, lengths, targets, starts, ends, self.rows)


@dataclass(frozen=True)
class QuestionPart:
    """Questions of one part. truths: the right answers as texts."""

    rows: Sequence[Asking]
    truths: Sequence[str]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each row, text and question (rows,)."""
        return np.array([len(row.ids) for row in self.rows], dtype=np.int64)

    def batch(self, rows: NDArray[np.int64]) -> QuestionBatch:
        """The batch of these questions, in this order."""
        chosen = tuple(self.rows[row] for row in rows)
        lengths = np.array([len(row.ids) for row in chosen], dtype=np.int64)
        ids = np.full((len(chosen), int(lengths.max())), PADDING_ID, dtype=np.int64)
        kinds = np.zeros_like(ids)
        most = max(1, *(len(row.places) for row in chosen))
        stands = np.full((2, len(chosen), most), -1, dtype=np.int64)
        for place, row in enumerate(chosen):
            ids[place, : len(row.ids)], kinds[place, row.first : len(row.ids)] = row.ids, 1
            stands[:, place, : len(row.places)] = np.array(row.places, dtype=np.int64).reshape(-1, 2).T
        targets = np.array([row.target for row in chosen], dtype=np.int64)
        made = torch.from_numpy
        stood = made(stands[0]), made(stands[1])
        return QuestionBatch(made(ids), made(kinds), made(lengths), made(targets), *stood, chosen)


def places_of(answer: str, text: str, spans: Sequence[Span]) -> tuple[Span, ...]:
    """Every place, as (first, last token), at which an answer stands in a text whole tokens long; case does not matter.

    spans: [start, end) of each token in the text.
    """
    starts = {start: place for place, (start, _) in enumerate(spans)}
    ends = {end: place for place, (_, end) in enumerate(spans)}
    found = (
        [one.span() for one in re.finditer(re.escape(answer.strip()), text, re.IGNORECASE)] if answer.strip() else []
    )
    return tuple((starts[start], ends[end]) for start, end in found if start in starts and end in ends)
