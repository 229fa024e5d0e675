"""A question about the class of a picture with its text: which patches and which words it rests on."""

from __future__ import annotations

import torch
from torch import Tensor

from regard.lens.answers import class_of, class_score
from regard.lens.leaf_question import LeafInput, leaf_question
from regard.lens.question import Attention, Question
from regard.lens.units import Units
from regard.tasks.classifier import Classifier
from regard.tasks.image_text import PictureAndText
from regard.tasks.memory_part import TensorBatch
from regard.tasks.picture_question import patch_units
from regard.tasks.task import Setup
from regard.tasks.text_data import vocabulary_of
from regard.tasks.text_question import units_of
from regard.tasks.vocabulary import UNKNOWN, UNKNOWN_ID

__all__ = ["image_text_question"]


def image_text_question(
    model: Classifier, setup: Setup, batch: TensorBatch, text: str, target: str | int | None, *, words: bool = False
) -> Question:
    """batch: one row, text: its text. Units are the picture's patches, row by row, then the tokens of the text, or its
    `words`; of a run that reads one of both, those alone. Both are taken away as the vectors that the front end makes
    of them, their places left as they are.

    Raises `SpecError` for a label that the run has not.
    """
    front = model.front
    assert isinstance(front, PictureAndText)
    pictures, ids, lengths = batch.inputs[0][:1].float() / 255, batch.inputs[1][:1], batch.inputs[2][:1]
    ids = ids[:, : int(lengths[0])]
    mean = torch.tensor(setup.facts["mean"])[None, :, None, None].expand_as(pictures)
    with torch.no_grad():
        made = front(pictures, ids, lengths)
        blank = front(mean, torch.full_like(ids, UNKNOWN_ID), lengths).tokens
    leaf = made.tokens

    def told(rows: Tensor) -> Tensor:
        found: Tensor = model.head(model.encoder(rows), None)[0]
        return found

    with torch.no_grad():
        chosen, label = class_of(target, told(leaf)[0], setup.facts["labels"])

    def score(rows: Tensor) -> Tensor:
        return class_score(told(rows), chosen)

    units, cells = _units(front, setup, pictures, text, words=words)
    placed = torch.zeros_like(leaf) if made.positions is None else made.positions.expand_as(leaf)
    return leaf_question(
        LeafInput(
            leaf=leaf,
            cells=cells[:, None],
            units=units,
            target=label,
            score=score,
            fills={
                "mask": (f"replaced by the training pictures' mean colour, or by {UNKNOWN}", blank),
                "zero": ("embedded as zeros", placed),
            },
            attention=Attention(model, lambda: score(leaf), cells),
            of="the patches' and the words' vectors",
            name=f"the run's {setup.settings.core.kind}",
        )
    )


def _units(front: PictureAndText, setup: Setup, pictures: Tensor, text: str, *, words: bool) -> tuple[Units, Tensor]:
    """The units, and the unit of each token (tokens,)."""
    ends = front.joined.front_ends
    patches = patch_units(ends["picture"], pictures)[1] if "picture" in ends else None
    if "text" not in ends:
        assert patches is not None
        return patches, torch.arange(len(patches))
    (pieces,) = vocabulary_of(setup).pieces([text])
    spoken, owner = units_of(text, pieces.spans, words=words)
    if patches is None:
        return spoken, owner
    count = len(patches)
    both = Units((*patches.texts, *spoken.texts), "part")
    return both, torch.cat((torch.arange(count), owner + count))
