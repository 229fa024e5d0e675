"""A question about what is written of one text (a translation, a summary): which of its words that rests on."""

from __future__ import annotations

import torch
from torch import Tensor

from regard.lens.answers import sequence_score
from regard.lens.put import Embedding
from regard.lens.question import Question
from regard.lens.token_question import TokenInput, token_question
from regard.lens.units import Units
from regard.nn.front_ends import TextFrontEnd
from regard.nn.sequence_to_sequence import SequenceToSequence
from regard.spec.errors import SpecError
from regard.tasks.pair_alignment import words_of
from regard.tasks.pair_part import EDGE_ID, PairBatch
from regard.tasks.pairs_data import source_symbols, target_symbols
from regard.tasks.task import Setup
from regard.tasks.text_question import positions_of
from regard.tasks.vocabulary import PADDING_ID, UNKNOWN, UNKNOWN_ID
from regard.tasks.writer import best_outputs

__all__ = ["written_question"]


def written_question(model: SequenceToSequence, setup: Setup, batch: PairBatch, target: str | None) -> Question:
    """target: a text; by default what the run writes. Its log-probability is the mean over its symbols and the end.
    Units are the source's words.

    Raises `SpecError` for a text of no symbols.
    """
    assert isinstance(model.front, TextFrontEnd)
    symbols, length = target_symbols(setup), int(batch.lengths[0])
    ids = batch.source[:1, :length]
    told = list(best_outputs(model, batch, setup)[0].ids) if target is None else symbols.encode(target).ids
    if not told:
        raise SpecError("nothing is written of this text, and no target was given: there is no answer to explain")
    inputs, wanted = torch.tensor([[EDGE_ID, *told]]), torch.tensor([*told, EDGE_ID])
    words, owner = words_of(source_symbols(setup), ids[0].tolist())

    def score(rows: Tensor, present: Tensor) -> Tensor:
        logits = model((rows, present.sum(-1)), inputs.expand(len(rows), -1))
        return sequence_score(logits, torch.full((len(rows),), inputs.shape[1] - 1), wanted) / len(wanted)

    embedding = model.front.embedding
    return token_question(
        TokenInput(
            ids=ids,
            units=Units(words, "word"),
            tokens=torch.tensor(owner),
            target=symbols.decode(told),
            score=score,
            model=model,
            embedding=Embedding(embedding, positions_of(embedding, ids)),
            replacement=(UNKNOWN_ID, UNKNOWN),
            padding=PADDING_ID,
            mean=embedding.table.detach().mean(0) * embedding.scale,
            name=f"the run's {setup.settings.core.kind}",
            quantity="probability a symbol, their geometric mean",
        )
    )
