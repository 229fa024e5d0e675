"""A question about the tags of one sentence, or the tag of one of its words: which words that rests on."""

from __future__ import annotations

import torch
from torch import Tensor

from regard.lens.answers import class_of
from regard.lens.leaf_question import LeafInput, leaf_question
from regard.lens.question import Attention, Question
from regard.lens.units import Units
from regard.spec.errors import SpecError
from regard.tasks.tag_data import SHAPES, TaggedBatch
from regard.tasks.tagger import Tagger
from regard.tasks.task import Setup
from regard.tasks.vocabulary import UNKNOWN_ID

__all__ = ["tag_question"]


def tag_question(
    model: Tagger, setup: Setup, batch: TaggedBatch, target: str | int | None, *, piece: int | None = None
) -> Question:
    """batch: one sentence. piece: the word, from 1, whose tag is meant; by default the tags of all words together: the
    mean of their log-probabilities. target: the tag of that word, by default the run's own. Units are the words.

    Nothing can be left out, for then a tag would belong to another word.

    Raises `SpecError` for a word or a tag that is not there, or a tag of no word.
    """
    words, tags = batch.words[0], setup.facts["tags"]
    if target is not None and piece is None:
        raise SpecError(f"target={target!r}: say of which word, piece=1 to {len(words)}")
    if piece is not None and not 1 <= piece <= len(words):
        raise SpecError(f"piece={piece}: the sentence has the words 1 to {len(words)}")
    features = batch.features[:1, : len(words)]

    def told(leaf: Tensor) -> Tensor:
        found: Tensor = model.head(model.encoder(leaf)).float().log_softmax(-1)
        return found

    with torch.no_grad():
        leaf = sum(part(one) for part, one in zip(_parts(model), features.unbind(-1), strict=True))
        assert isinstance(leaf, Tensor)
        logs = told(leaf)[0]
    asked = list(range(len(words))) if piece is None else [piece - 1]
    chosen = [class_of(target, logs[place], tags) for place in asked]
    places, ids = torch.tensor(asked), torch.tensor([one for one, _ in chosen])
    unknown = _unknown(model)

    def score(rows: Tensor) -> Tensor:
        return told(rows)[:, places, ids].mean(-1)

    return leaf_question(
        LeafInput(
            leaf=leaf,
            cells=torch.arange(len(words))[:, None],
            units=Units(words, "word"),
            target=" ".join(f"{words[place]}/{tag}" for place, (_, tag) in zip(asked, chosen, strict=True)),
            score=score,
            fills={
                "mask": ("replaced by a word of which nothing is known", unknown.expand_as(leaf)),
                "zero": ("embedded as zeros", torch.zeros_like(leaf)),
            },
            attention=Attention(model, lambda: score(leaf), torch.arange(len(words)), _shares(len(words), asked)),
            of="the embeddings",
            name=f"the run's {setup.settings.core.kind}",
            quantity="probability" if piece is not None else "probability a tag, their geometric mean",
        )
    )


def _parts(model: Tagger) -> tuple[torch.nn.Module, ...]:
    return model.words, model.endings, model.shapes


def _unknown(model: Tagger) -> Tensor:
    """(1, 1, dim): an unknown word with an unknown ending, of no shape in particular."""
    unknown, shapes = torch.tensor([[UNKNOWN_ID]]), torch.arange(1, SHAPES + 1)[None]
    with torch.no_grad():
        made: Tensor = model.words(unknown) + model.endings(unknown) + model.shapes(shapes).mean(1, keepdim=True)
    return made


def _shares(count: int, asked: list[int]) -> Tensor:
    shares = torch.zeros(count)
    shares[asked] = 1 / len(asked)
    return shares
