"""A text classifier's answers to texts: labels, probabilities, and which tokens had how much weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from regard.tasks.batches import TextBatch, encoded, in_order_of_length
from regard.tasks.classes import ranked
from regard.tasks.explained import Explained, Weighed
from regard.tasks.task import Setup
from regard.tasks.text_data import typed_texts, vocabulary_of
from regard.tasks.vocabulary import UNKNOWN_ID, Pieces

_BATCH = 64


@dataclass(frozen=True, slots=True)
class TokenWeight:
    """One token's place [start, end) in the text, in characters, and its share of the pooled vector.

    known: False for a token that the vocabulary does not have.
    """

    start: int
    end: int
    weight: float
    known: bool


@dataclass(frozen=True)
class Prediction:
    """The answer to one text. `probabilities` has every label, most probable first; `tokens` those that were read, in
    order, their weights 1 in all; `unread` counts the tokens beyond what the model reads."""

    text: str
    label: str
    probability: float
    probabilities: tuple[tuple[str, float], ...]
    tokens: tuple[TokenWeight, ...]
    unread: int


def predictions(model: nn.Module, setup: Setup, texts: Sequence[str]) -> tuple[Prediction, ...]:
    """Answers to texts, in their order.

    Raises:
        DataError: a text is empty; the message names its place.
    """
    if not texts:
        return ()
    typed_texts(texts, setup)  # checks them
    pieces = vocabulary_of(setup).pieces(texts)
    part = encoded([piece.ids for piece in pieces], [0] * len(pieces))
    found: dict[int, Prediction] = {}
    for rows in in_order_of_length(part.lengths, _BATCH):
        with torch.inference_mode():
            logits, weights = model(*part.batch(rows).inputs)
        probabilities = logits.softmax(-1).tolist()
        for place, row in enumerate(rows.tolist()):
            answer = ranked(setup.facts["labels"], probabilities[place])
            found[row] = _prediction(texts[row], pieces[row], answer, weights[place].tolist())
    return tuple(found[place] for place in range(len(texts)))


def explain_text(model: nn.Module, batch: TextBatch, setup: Setup) -> Explained:
    """Which tokens the pooling drew on, of a batch of one text. A token is named as the vocabulary has it."""
    logits, weights = model(*batch.inputs)
    answer = ranked(setup.facts["labels"], logits[0].float().softmax(-1).tolist())
    named = vocabulary_of(setup).tokenizer.id_to_token
    units = zip(batch.ids[0].tolist(), weights[0].tolist(), strict=False)
    told = f"{answer['label']} ({answer['probability']:.3f})"
    weighed = tuple(Weighed(named(token) or "", weight) for token, weight in units)
    return Explained(told, weighed, "token", "the pooling's")


def _prediction(text: str, pieces: Pieces, answer: dict[str, Any], weights: Sequence[float]) -> Prediction:
    tokens = tuple(
        TokenWeight(start, end, weight, token != UNKNOWN_ID)
        for token, (start, end), weight in zip(pieces.ids, pieces.spans, weights, strict=False)
    )
    ranking = tuple(answer["probabilities"].items())
    return Prediction(text, answer["label"], answer["probability"], ranking, tokens, pieces.unread)
