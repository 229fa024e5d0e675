"""Which words and which patches a class was told from."""

from __future__ import annotations

from typing import Any

from torch import nn

from regard.tasks.classes import ranked
from regard.tasks.classifier import Classifier
from regard.tasks.explained import Explained, Weighed
from regard.tasks.picture_alignment import picture_shown
from regard.tasks.task import Setup
from regard.tasks.text_data import vocabulary_of


def explain_image_text(model: nn.Module, batch: Any, setup: Setup) -> Explained:
    """Which patches and which words the pooling drew on, of a batch of one row; the weights of both are 1 in all."""
    assert isinstance(model, Classifier)
    pictures, ids, _ = batch.inputs
    joined: Any = model.front.joined
    named = vocabulary_of(setup).tokenizer.id_to_token
    words = iter(ids[0].tolist())
    covered = model.front(*batch.inputs).covered(0)
    units = [one.words() if one.part == "picture" else f"text: {named(next(words))}" for one in covered]
    logits, weights = model(*batch.inputs)
    answer = ranked(setup.facts["labels"], logits[0].float().softmax(-1).tolist())
    weighed = tuple(Weighed(unit, share) for unit, share in zip(units, weights[0].tolist(), strict=False))
    shown = picture_shown(joined.front_ends["picture"], pictures) if "picture" in joined.front_ends else None
    kind = "patch or word" if len(joined.front_ends) > 1 else "patch" if shown else "word"
    return Explained(f"{answer['label']} ({answer['probability']:.3f})", weighed, kind, "the pooling's", picture=shown)
