"""A question about how a text or a tune goes on: which of the symbols so far the next ones rest on."""

from __future__ import annotations

import torch
from torch import Tensor

from regard.lens.answers import sequence_score
from regard.lens.put import Embedding
from regard.lens.question import Question
from regard.lens.token_question import TokenInput, token_question
from regard.lens.units import Units
from regard.nn.decoding import LanguageModel
from regard.spec.errors import SpecError
from regard.spec.value import described
from regard.tasks.alphabet import run_alphabet
from regard.tasks.blocks import BlockBatch
from regard.tasks.language_data import symbols_of
from regard.tasks.pair_alignment import spans_of
from regard.tasks.task import Setup
from regard.tasks.text_question import units_of
from regard.tasks.text_symbols import START_ID
from regard.tasks.vocabulary import PADDING_ID, UNKNOWN_ID

__all__ = ["next_question"]

_NEVER = (PADDING_ID, UNKNOWN_ID, START_ID)  # what is not written


def next_question(
    model: LanguageModel, setup: Setup, batch: BlockBatch, target: str | None, *, words: bool = False
) -> Question:
    """batch: one block, what is written so far. target: what comes next, one symbol or several, whose probabilities are
    multiplied; by default the likeliest symbol. Units are symbols; of a text also `words`, each with the blanks behind
    it. The sign of a text's start always stays. Probabilities are those of writing on: what is never written (such as
    the sign of an unknown symbol) has none.

    Raises `SpecError` for a target of no symbols, or of one that the run does not know, or a block of no symbol that it
    knows.
    """
    ids = batch.ids[:1, : int(batch.lengths[0])]
    read = ids[0] != START_ID
    if not bool(read.any()):
        raise SpecError("nothing is written so far: there is nothing that the next symbol could rest on")
    unknown = int((ids == UNKNOWN_ID).sum())
    if unknown == int(read.sum()):
        raise SpecError("this run knows none of the symbols that are written so far: give a text of those it learned")
    wanted, name = _wanted(model, setup, ids, target)
    units, owner = _units(setup, ids[0, read].tolist(), words=words)
    tokens = torch.full((ids.shape[1] + len(wanted) - 1,), -1)
    tokens[: ids.shape[1]][read] = owner
    whole = torch.cat((ids, wanted[None, :-1]), 1)
    readout = torch.zeros(whole.shape[1])
    readout[-len(wanted) :] = 1 / len(wanted)

    def score(rows: Tensor, present: Tensor) -> Tensor:
        logits = model(rows).index_fill(-1, torch.tensor(_NEVER), -torch.inf)
        return sequence_score(logits, present.sum(-1) - 1, wanted)

    return token_question(
        TokenInput(
            ids=whole,
            units=units,
            tokens=tokens,
            target=name,
            score=score,
            model=model,
            embedding=Embedding(model.embedding),
            padding=PADDING_ID,
            mean=model.embedding.table.detach().mean(0) * model.embedding.scale,
            readout=readout,
            name=f"the run's {setup.settings.core.kind}",
            notes=(f"symbols unknown to this run, which stand for nothing here: {unknown}",) if unknown else (),
        )
    )


def _of_music(setup: Setup) -> bool:
    return "symbols" in setup.facts


def _wanted(model: LanguageModel, setup: Setup, ids: Tensor, target: str | None) -> tuple[Tensor, str]:
    """(symbols that come next, their name)."""
    if target is None:
        with torch.no_grad():
            logits = model(ids)[0, -1]
        logits[list(_NEVER)] = -torch.inf
        found = [int(logits.argmax())]
    elif not isinstance(target, str):
        raise SpecError(f"target={described(target)}: expected what comes next, as a text")
    elif _of_music(setup):
        found = run_alphabet(setup).ids(run_alphabet(setup).typed([target])[0] if target.strip() else ()).tolist()
    else:
        found = list(symbols_of(setup).encode(target, add_special_tokens=False).ids)
    if not found or UNKNOWN_ID in found:
        raise SpecError(f"target={target!r}: expected one symbol or more that the run knows, to come next")
    said = run_alphabet(setup).joined(found) if _of_music(setup) else symbols_of(setup).decode(found)
    return torch.tensor(found), said if said.strip() else repr(said)


def _units(setup: Setup, ids: list[int], *, words: bool) -> tuple[Units, Tensor]:
    if _of_music(setup):
        alphabet = run_alphabet(setup)
        return Units(tuple(map(alphabet.name, ids)), "symbol"), torch.arange(len(ids))
    symbols = symbols_of(setup)
    text, spans = symbols.decode(ids), spans_of(symbols, ids)
    if not words:
        return units_of(text, spans, words=False)
    spoken = [place for place, (start, end) in enumerate(spans) if text[start:end].strip()]
    if not spoken:
        return units_of(text, spans, words=False)
    units, owner = units_of(text, [spans[place] for place in spoken], words=True)
    at = torch.bucketize(torch.arange(len(ids)), torch.tensor(spoken), right=True) - 1  # blanks go with what is before
    return units, owner[at.clamp(min=0)]
