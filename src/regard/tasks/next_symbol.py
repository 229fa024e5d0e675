"""Models that tell the symbol after each one: what tasks that write on have in common, whatever their symbols are.

Their facts have "vocabulary", how many symbols there are; their batches are `BlockBatch`es.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from regard.lens import watch
from regard.nn.decoder import Decoder
from regard.nn.decoding import LanguageModel, Limits, Sampling, sample
from regard.nn.embedding import TokenEmbedding
from regard.nn.heads import NextToken
from regard.spec import Rotary
from regard.tasks.baselines.ngrams import fit_ngrams
from regard.tasks.blocks import BlockBatch
from regard.tasks.explained import Explained, Weighed
from regard.tasks.task import Outcome, Setup
from regard.tasks.text_symbols import START_ID
from regard.tasks.vocabulary import PADDING_ID, UNKNOWN_ID

ORDER = 5  # of the n-grams that such a model has to beat
_NEVER = (PADDING_ID, UNKNOWN_ID, START_ID)  # what is not written
_DRAWN = Sampling(temperature=0.8)
_LIKELIEST = 5  # next symbols that an explanation names


def build_next(setup: Setup) -> LanguageModel:
    """A causal transformer whose embedding is also read backwards, to score the next symbol."""
    core, size = setup.settings.core, setup.facts["vocabulary"]
    embedding = TokenEmbedding(size, core.dim, dropout=core.dropout)
    decoder = Decoder(
        core.dim, core.heads, layers=core.layers, hidden=core.hidden, dropout=core.block_dropout, rotary=Rotary()
    )
    return LanguageModel(embedding, decoder, NextToken(core.dim, size, tied=embedding))


def judge_next(model: nn.Module, batch: BlockBatch, setup: Setup) -> Outcome:
    """Cross-entropy of every symbol that is scored."""
    logits = model(batch.ids).float()
    losses = F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), reduction="none")[batch.scored.flatten()]
    hits = ((logits.argmax(-1) == batch.targets) & batch.scored).sum()
    return Outcome(losses, losses.numel(), hits)


def answer_next(model: nn.Module, batch: BlockBatch, setup: Setup) -> Sequence[Any]:
    """Of each block, the log-probability of every symbol that it is scored on."""
    logs = model(batch.ids).float().log_softmax(-1).gather(-1, batch.targets[..., None])[..., 0]
    return [row[scored].cpu().numpy() for row, scored in zip(logs, batch.scored, strict=True)]


def ngram_answers(
    train: Sequence[NDArray[Any]], test: Sequence[NDArray[Any]], cuts: Sequence[tuple[int, int, int]], *, symbols: int
) -> Mapping[str, Any]:
    """What 5-grams with Witten-Bell smoothing answer. train, test: the symbols of each text; cuts: of each block of the
    test part its text (from 0), and the first and the last of the symbols that it is scored on."""
    known, asked = ([one.astype("int64") for one in part] for part in (train, test))
    logs = fit_ngrams(known, symbols=symbols, order=ORDER).log_probabilities(asked)
    return {f"{ORDER}-grams": [logs[text][first:last] for text, first, last in cuts]}


def write_on(model: nn.Module, batch: BlockBatch, *, longest: int) -> list[list[int]]:
    """So many symbols that follow each block: drawn, by a seed of its own for each."""
    assert isinstance(model, LanguageModel)
    told = []
    for ids, length in zip(batch.ids, batch.lengths, strict=True):
        draw = torch.Generator().manual_seed(0)
        limits = Limits(longest, never=_NEVER)
        ((output,),) = sample(model, ids[None, :length], limits, _DRAWN, generator=draw)
        told.append(list(output.ids))
    return told


def explain_next(model: nn.Module, batch: BlockBatch, *, name: Callable[[int], str], kind: str) -> Explained:
    """Which symbols so far the last of a block attended to, and what it expects next. name: a symbol's, by its id."""
    last = int(batch.lengths[0]) - 1
    with watch(model, queries=range(last, last + 1)) as seen:
        logits = model(batch.ids[:1, : last + 1])[0, -1].float()
    weights = torch.stack([layer.received[0].mean(0) for layer in seen.trace().layers]).mean(0)
    logits[list(_NEVER)] = -torch.inf
    best = logits.softmax(-1).topk(min(_LIKELIEST, len(logits) - len(_NEVER)))
    likely = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    told = "next: " + ", ".join(f"{name(one)} ({share:.3f})" for one, share in likely)
    shares = (weights / weights.sum()).tolist()
    units = zip(batch.ids[0, : last + 1].tolist(), shares, strict=True)
    places = (Weighed(f"{place}: {name(one)}", share) for place, (one, share) in enumerate(units))
    return Explained(told, tuple(places), kind, "the last one's, mean over layers and heads")
