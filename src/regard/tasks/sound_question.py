"""A question about what is heard in one recording: which moments the text rests on."""

from __future__ import annotations

import torch
from torch import Tensor

from regard.lens.leaf_question import LeafInput, leaf_question
from regard.lens.question import Attention, Question
from regard.lens.units import Units
from regard.tasks.pairs_data import target_symbols
from regard.tasks.sound_front import mel_of
from regard.tasks.task import Setup
from regard.tasks.transcriber import Transcriber, best_heard
from regard.tasks.written_part import WrittenBatch
from regard.tasks.written_question import WrittenTarget

__all__ = ["sound_question"]

_MOMENT = 0.1  # seconds


def sound_question(
    model: Transcriber, setup: Setup, batch: WrittenBatch, target: str | None, *, piece: int | None = None
) -> Question:
    """batch: one recording. target: a text, by default what the run hears; piece: one of its words, as in
    `WrittenTarget.of`. Its log-probability is the decoder's. Units are moments of a tenth of a second.

    Raises `SpecError` for a text of no characters, or a word that is not there.
    """
    samples, lengths = batch.given[0].float(), batch.given[1]
    if not batch.given[0].is_floating_point():
        samples = samples / 32768
    meant = WrittenTarget.of(target_symbols(setup), target, piece, lambda: best_heard(model, batch, setup)[0].ids)

    def score(leaf: Tensor) -> Tensor:
        context = model.writer.read((leaf, lengths.expand(len(leaf))))
        return meant.score(model.writer.decoder(context, meant.inputs.expand(len(leaf), -1)))

    seconds = samples.shape[1] / mel_of(setup).rate
    count = max(1, round(seconds / _MOMENT))
    cells = torch.arange(samples.shape[1]) * count // samples.shape[1]
    texts = tuple(f"{place * seconds / count:.2f} to {(place + 1) * seconds / count:.2f} s" for place in range(count))
    moments = int(model.writer.front(*batch.given).counts[0])
    return leaf_question(
        LeafInput(
            leaf=samples,
            cells=cells,
            units=Units(texts, "moment"),
            target=meant.name,
            score=score,
            fills={"zero": ("made silent", torch.zeros_like(samples))},
            attention=Attention(model, lambda: score(samples), torch.arange(moments) * count // moments),
            of="the samples",
            name=f"the run's {setup.settings.core.kind}",
            quantity=meant.quantity,
            together=8,
        )
    )
