"""A question about one hidden word of a text: which of the others its guess rests on."""

from __future__ import annotations

import torch
from torch import Tensor

from regard.lens.put import Embedding
from regard.lens.question import Question
from regard.lens.token_question import TokenInput, token_question
from regard.lens.units import Units
from regard.spec.errors import SpecError
from regard.tasks.masked_text import MaskedText
from regard.tasks.task import Setup
from regard.tasks.text_data import vocabulary_of
from regard.tasks.text_question import positions_of, units_of
from regard.tasks.vocabulary import UNKNOWN_ID, Vocabulary

__all__ = ["masked_question"]


def masked_question(
    model: MaskedText, setup: Setup, text: str, target: str | None, *, piece: int | None, words: bool = False
) -> Question:
    """piece: the token (or, with `words`, the word) that is hidden, from 1. target: what stands there, by default the
    run's guess; of several tokens the probabilities are multiplied. Units are the others, and none can be left out.

    Raises `SpecError` where no word is hidden, or one that is not there, or the target has another number of tokens.
    """
    vocabulary = vocabulary_of(setup)
    (pieces,) = vocabulary.pieces([text])
    units, owner = units_of(text, pieces.spans, words=words)
    if piece is None or not 1 <= piece <= len(units):
        raise SpecError(f"piece={piece}: say which {units.kind} is hidden and guessed, 1 to {len(units)}")
    if len(units) == 1:
        raise SpecError(f"the text has one {units.kind}: there is no other that its guess could rest on")
    hidden = owner == piece - 1
    ids = torch.where(hidden, UNKNOWN_ID, torch.tensor(pieces.ids))[None]

    def told(rows: Tensor) -> Tensor:
        lengths = torch.full((len(rows),), rows.shape[1])
        found: Tensor = model(rows, lengths, hidden.expand(len(rows), -1)).float().log_softmax(-1)
        return found.view(len(rows), int(hidden.sum()), -1)  # (b, hidden, vocabulary)

    with torch.no_grad():
        guessed = told(ids)[0].argmax(-1)
    wanted = guessed if target is None else _wanted(vocabulary, target, len(guessed))
    name = " ".join(str(vocabulary.tokenizer.id_to_token(one)) for one in wanted.tolist())

    def score(rows: Tensor, present: Tensor) -> Tensor:
        return told(rows).gather(-1, wanted.expand(len(rows), -1)[..., None])[..., 0].sum(-1)

    embedding = model.embedding
    return token_question(
        TokenInput(
            ids=ids,
            units=_without(units, piece - 1),
            tokens=torch.where(hidden, -1, owner - (owner > piece - 1).long()),
            target=f"{name!r} in the place of {units.texts[piece - 1]!r}",
            score=score,
            model=model,
            embedding=Embedding(embedding, positions_of(embedding, ids)),
            moves=False,
            mean=embedding.table.detach().mean(0) * embedding.scale,
            readout=hidden.float() / hidden.sum(),
            name=f"the run's {setup.settings.core.kind}",
        )
    )


def _wanted(vocabulary: Vocabulary, target: str, count: int) -> Tensor:
    (found,) = vocabulary.ids([target])
    if len(found) != count or UNKNOWN_ID in list(found):
        raise SpecError(f"target={target!r}: expected {count} of the run's tokens, for so many are hidden")
    return torch.tensor(found, dtype=torch.int64)


def _without(units: Units, place: int) -> Units:
    kept = [one for one in range(len(units)) if one != place]
    spans = units.spans or ()
    return Units(tuple(units.texts[one] for one in kept), units.kind, tuple(spans[one] for one in kept), units.source)
