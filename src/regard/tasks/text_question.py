"""A question about a text classifier's answer to one text, or a symbol classifier's to one sequence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from regard.lens.answers import class_of, class_score
from regard.lens.put import Embedding
from regard.lens.question import Question
from regard.lens.token_question import TokenInput, token_question
from regard.lens.units import Units
from regard.lens.words import merge
from regard.nn import TokenEmbedding
from regard.tasks.alphabet import run_alphabet
from regard.tasks.batches import TextBatch
from regard.tasks.classifier import Classifier
from regard.tasks.sections import SymbolSettings
from regard.tasks.symbols import SymbolReader
from regard.tasks.task import Setup
from regard.tasks.text_answers import TokenWeight
from regard.tasks.text_classifier import TextClassifier
from regard.tasks.text_data import vocabulary_of
from regard.tasks.vocabulary import PADDING_ID, UNKNOWN, UNKNOWN_ID

__all__ = ["positions_of", "symbol_question", "text_question", "units_of"]


def text_question(
    model: TextClassifier,
    setup: Setup,
    text: str,
    target: str | int | None,
    *,
    others: Sequence[str] = (),
    words: bool = False,
    seed: int = 0,
) -> Question:
    """words: units are words, several tokens each perhaps, instead of tokens. others: texts to draw tokens from.

    Raises `SpecError` for a label that the run has not.
    """
    vocabulary = vocabulary_of(setup)
    (pieces,) = vocabulary.pieces([text])
    ids = torch.tensor([pieces.ids])
    units, tokens = units_of(text, pieces.spans, words=words)
    drawn = [torch.tensor(one) for one in vocabulary.ids(others)] if others else []
    given = _input(model, setup, ids, target, units, tokens, model.embedding)
    notes = (f"{pieces.unread} tokens of the text are not read",) if pieces.unread else ()
    return token_question(_with(given, others=drawn, notes=notes, seed=seed, rest=model.embedding))


def symbol_question(
    model: Classifier,
    setup: Setup,
    batch: TextBatch,
    target: str | int | None,
    *,
    others: Sequence[TextBatch] = (),
    seed: int = 0,
) -> Question:
    """A sequence of symbols, `stride` of them a unit. Raises `SpecError` for a label that the run has not."""
    assert isinstance(model.front, SymbolReader)
    stride, alphabet = setup.settings.section(SymbolSettings).stride, run_alphabet(setup)
    ids, count = batch.ids[:1, : int(batch.lengths[0])], int(batch.lengths[0])
    starts = range(0, count, stride)
    texts = tuple(alphabet.joined(ids[0, start : start + stride].tolist()) for start in starts)
    tokens = torch.arange(count) // stride
    given = _input(model, setup, ids, target, Units(texts, "symbol"), tokens, model.front.symbols.embedding)
    drawn = [one.ids[0, : int(one.lengths[0])] for one in others]
    return token_question(_with(given, others=drawn, seed=seed, attended=torch.arange(len(texts))))


def _input(
    model: TextClassifier | Classifier,
    setup: Setup,
    ids: Tensor,
    target: str | int | None,
    units: Units,
    tokens: Tensor,
    embedding: TokenEmbedding,
) -> TokenInput:
    with torch.no_grad():
        logits = model(ids, torch.tensor([ids.shape[1]]))[0][0]
    chosen, label = class_of(target, logits, setup.facts["labels"])

    def score(rows: Tensor, present: Tensor) -> Tensor:
        found = model(rows, present.sum(-1))[0]
        return class_score(found, chosen)

    return TokenInput(
        ids=ids,
        units=units,
        tokens=tokens,
        target=label,
        score=score,
        model=model,
        embedding=Embedding(embedding),
        replacement=(UNKNOWN_ID, UNKNOWN),
        padding=PADDING_ID,
        mean=embedding.table.detach().mean(0) * embedding.scale,
        name=f"the run's {setup.settings.core.kind}",
    )


def _with(
    given: TokenInput,
    *,
    others: Sequence[Tensor] = (),
    notes: tuple[str, ...] = (),
    seed: int = 0,
    rest: TokenEmbedding | None = None,
    attended: Tensor | None = None,
) -> TokenInput:
    """With what only some inputs have. rest: an embedding that adds positions, which no token is worth."""
    embedding = given.embedding if rest is None else Embedding(rest, positions_of(rest, given.ids))
    return replace(
        given,
        others=torch.cat(list(others)) if others else None,
        notes=notes,
        seed=seed,
        embedding=embedding,
        attended=attended,
    )


def positions_of(embedding: TokenEmbedding, ids: Tensor) -> Tensor:
    """(tokens, dim) what the embedding adds to the tokens' own vectors."""
    with torch.no_grad():
        own = nn.functional.embedding(ids, embedding.table) * embedding.scale
        made: Tensor = (embedding(ids) - own)[0]
    return made


def units_of(text: str, spans: Sequence[tuple[int, int]], *, words: bool) -> tuple[Units, Tensor]:
    """The units of a text's tokens, which have the characters [start, end) each: the tokens themselves, or `words`; and
    the unit of each token (tokens,)."""
    if not words:
        texts = tuple(text[start:end] for start, end in spans)
        return Units(texts, "token", spans=tuple(spans), source=text), torch.arange(len(spans))
    found = merge(text, [TokenWeight(start, end, 0.0, True) for start, end in spans])
    owner, place = [], 0
    for start, _ in spans:
        while start >= found[place].end and place < len(found) - 1:
            place += 1
        owner.append(place)
    bounds = tuple((word.start, word.end) for word in found)
    units = Units(tuple(word.text for word in found), "word", spans=bounds, source=text)
    return units, torch.tensor(owner)
