"""A question about the answer to a question about a text: which words of both that rests on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from regard.lens.answers import class_of, class_score
from regard.lens.put import Embedding
from regard.lens.question import Question
from regard.lens.token_question import TokenInput, token_question
from regard.spec.errors import SpecError
from regard.tasks.answerer import Choosing, Pointing, answers_of
from regard.tasks.question_part import QuestionBatch, places_of
from regard.tasks.task import Setup
from regard.tasks.text_question import units_of
from regard.tasks.vocabulary import UNKNOWN, UNKNOWN_ID

__all__ = ["answer_question"]


def answer_question(
    model: Pointing | Choosing,
    setup: Setup,
    batch: QuestionBatch,
    target: str | int | None,
    *,
    others: Sequence[QuestionBatch] = (),
    words: bool = False,
    seed: int = 0,
) -> Question:
    """batch, and each of `others`: one text with its question. target: an answer, by default the run's own; of a run
    that reads answers out one that stands in the text or the question, and its probability is the sum over all places
    where it does. Units are tokens, or `words`, of the text and of the question behind it. Nothing can be left out:
    where an answer stands is counted in places.

    Raises `SpecError` for an answer that stands nowhere, or that the run has not.
    """
    row = batch.rows[0]
    score, name = _scores(model, setup, batch, target)
    units, tokens = units_of(row.text, row.spans, words=words)
    embedding = model.reader.embedding
    drawn = [one.ids[0, : int(one.lengths[0])] for one in others]
    return token_question(
        TokenInput(
            ids=batch.ids[:1, : len(row.ids)],
            units=units,
            tokens=tokens,
            target=name,
            score=score,
            model=model,
            embedding=Embedding(embedding),
            replacement=(UNKNOWN_ID, UNKNOWN),
            moves=False,
            others=torch.cat(drawn) if drawn else None,
            mean=embedding.table.detach().mean(0) * embedding.scale,
            name=f"the run's {setup.settings.core.kind}",
            seed=seed,
        )
    )


def _scores(
    model: Pointing | Choosing, setup: Setup, batch: QuestionBatch, target: str | int | None
) -> tuple[Callable[[Tensor, Tensor], Tensor], str]:
    """What `TokenInput` asks for, and the answer that is meant."""
    row = batch.rows[0]
    kinds, lengths = batch.kinds[:1, : len(row.ids)], batch.lengths[:1]

    def told(ids: Tensor) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = model(ids, kinds.expand(len(ids), -1), lengths.expand(len(ids)))
        return found

    if isinstance(model, Choosing):
        with torch.no_grad():
            logits = told(batch.ids[:1, : len(row.ids)])[0][0]
        chosen, name = class_of(target, logits, setup.facts["answers"])
        return lambda ids, present: class_score(told(ids)[0], chosen), name
    with torch.no_grad():
        name = str(answers_of(model, batch, setup)[0] if target is None else target)
    places = places_of(name, row.text, row.spans)
    if not places:
        raise SpecError(
            f"target={name!r}: this run reads answers out, and this one stands nowhere in the text or the question as "
            "whole words; ask about one that does"
        )
    firsts, lasts = torch.tensor(places).T

    def read_out(ids: Tensor, present: Tensor) -> Tensor:
        start, end = told(ids)
        return (start.float()[:, firsts] + end.float()[:, lasts]).logsumexp(-1)

    return read_out, name
