"""Questions about what is written: of one text (a translation, a summary), or of one picture (a caption)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from regard.lens.answers import sequence_score
from regard.lens.leaf_question import leaf_question
from regard.lens.put import Embedding
from regard.lens.question import Question
from regard.lens.token_question import TokenInput, token_question
from regard.lens.units import Units
from regard.nn.front_ends import TextFrontEnd
from regard.nn.sequence_to_sequence import SequenceToSequence
from regard.spec.errors import SpecError
from regard.spec.value import described
from regard.tasks.pair_alignment import words_of
from regard.tasks.pair_part import EDGE_ID, PairBatch
from regard.tasks.pairs_data import source_symbols, target_symbols
from regard.tasks.picture_question import picture_input
from regard.tasks.task import Setup
from regard.tasks.text_question import positions_of
from regard.tasks.vocabulary import PADDING_ID, UNKNOWN, UNKNOWN_ID
from regard.tasks.writer import best_outputs
from regard.tasks.written_part import WrittenBatch

__all__ = ["WrittenTarget", "caption_question", "written_question"]

_BLANK = "␣"  # how `words_of` writes a blank that is a word of its own


@dataclass(frozen=True, eq=False)
class WrittenTarget:
    """What is written, and which of it is meant. name: in words. inputs (1, symbols): the edge, then what is written.
    wanted (symbols,): what each of them is followed by, the edge last. first, last: of these, the ones that are scored,
    the last not included. quantity: as in `Question`."""

    name: str
    inputs: Tensor
    wanted: Tensor
    first: int
    last: int
    quantity: str

    @classmethod
    def of(
        cls, symbols: Tokenizer, target: str | None, piece: int | None, write: Callable[[], Sequence[int]]
    ) -> WrittenTarget:
        """target: a text, by default what `write` writes. piece: the word of it, from 1, that is meant, given those
        before it; by default all of them together.

        Raises `SpecError` for a text of no symbols, or a word that is not there.
        """
        if target is not None and not isinstance(target, str):
            raise SpecError(f"target={described(target)}: expected a text, what is written")
        ids = list(write()) if target is None else symbols.encode(target).ids
        if not ids:
            if target is None:
                raise SpecError("nothing is written of this input: there is no answer to explain; give a target")
            raise SpecError(f"no target was given: {target!r} has no symbol, expected one or more")
        inputs, wanted = torch.tensor([[EDGE_ID, *ids]]), torch.tensor([*ids, EDGE_ID])
        if piece is None:
            every = "probability a symbol, their geometric mean"
            return cls(symbols.decode(ids), inputs, wanted, 0, len(wanted), every)
        words, owner = words_of(symbols, ids)
        spoken = [place for place, word in enumerate(words) if word != _BLANK]
        if not 1 <= piece <= len(spoken):
            raise SpecError(f"piece={piece}: {symbols.decode(ids)!r} has the words 1 to {len(spoken)}")
        place = spoken[piece - 1]
        first, last = owner.index(place), len(owner) - owner[::-1].index(place)
        before = symbols.decode(ids[:first])
        name = f"{words[place]!r} after {before!r}" if before.strip() else f"{words[place]!r} at the beginning"
        return cls(name, inputs, wanted, first, last, "probability")

    def score(self, logits: Tensor) -> Tensor:
        """logits (b, symbols, vocab) -> (b,): of a piece the log-probability of all its symbols, of the whole its mean
        over them."""
        wanted, places = self.wanted[self.first : self.last], torch.full((len(logits),), self.last - 1)
        found = sequence_score(logits, places, wanted)
        return found if self.quantity == "probability" else found / len(wanted)


def written_question(
    model: SequenceToSequence, setup: Setup, batch: PairBatch, target: str | None, *, piece: int | None = None
) -> Question:
    """batch: one text. target, piece: as in `WrittenTarget.of`. Units are the source's words.

    Raises `SpecError` for a text of no symbols, or a word that is not there.
    """
    assert isinstance(model.front, TextFrontEnd)
    length = int(batch.lengths[0])
    ids = batch.source[:1, :length]
    meant = WrittenTarget.of(target_symbols(setup), target, piece, lambda: best_outputs(model, batch, setup)[0].ids)
    words, owner = words_of(source_symbols(setup), ids[0].tolist())

    def score(rows: Tensor, present: Tensor) -> Tensor:
        return meant.score(model((rows, present.sum(-1)), meant.inputs.expand(len(rows), -1)))

    embedding = model.front.embedding
    return token_question(
        TokenInput(
            ids=ids,
            units=Units(words, "word"),
            tokens=torch.tensor(owner),
            target=meant.name,
            score=score,
            model=model,
            embedding=Embedding(embedding, positions_of(embedding, ids)),
            replacement=(UNKNOWN_ID, UNKNOWN),
            padding=PADDING_ID,
            mean=embedding.table.detach().mean(0) * embedding.scale,
            name=f"the run's {setup.settings.core.kind}",
            quantity=meant.quantity,
        )
    )


def caption_question(
    model: SequenceToSequence, setup: Setup, batch: WrittenBatch, target: str | None, *, piece: int | None = None
) -> Question:
    """batch: one picture. target, piece: as in `WrittenTarget.of`. Units are the picture's patches.

    Raises `SpecError` for a text of no symbols, or a word that is not there.
    """
    meant = WrittenTarget.of(
        target_symbols(setup),
        target,
        piece,
        lambda: best_outputs(model, batch, setup)[0].ids,  # type: ignore[arg-type]
    )

    def score(leaf: Tensor) -> Tensor:
        return meant.score(model((leaf,), meant.inputs.expand(len(leaf), -1)))

    return leaf_question(
        picture_input(
            model,
            model.front,
            setup,
            batch.given[0][:1],
            target=meant.name,
            score=score,
            quantity=meant.quantity,
            together=16,
        )
    )
