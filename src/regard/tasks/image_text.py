"""Classes of pictures that have a text each: told from both, joined before the core, or from one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from regard.nn.embedding import TokenEmbedding
from regard.nn.front_ends import JoinedFrontEnd, TextFrontEnd, Tokens
from regard.spec import Sinusoidal
from regard.tasks.baseline import tfidf
from regard.tasks.baselines.labels import logistic, most_frequent
from regard.tasks.caption_data import digest_captions
from regard.tasks.classes import judge_classes, measures_of_classes, tell_classes
from regard.tasks.classifier import Classifier
from regard.tasks.image_data import image_front_end
from regard.tasks.image_text_data import prepare_image_text, read_more_image_text
from regard.tasks.image_text_words import explain_image_text
from regard.tasks.sections import CoreSettings, DataSettings, ImageSettings, SeenSettings, TokenSettings, TrainSettings
from regard.tasks.settings import Settings, changed
from regard.tasks.table import Row
from regard.tasks.task import Prepared, Setup, Task
from regard.tasks.vocabulary import PADDING_ID, UNKNOWN_ID, is_spaceless


class PictureAndText(nn.Module):
    """A picture's tokens and a text's, each with the vector of its kind; or one of the two, as `joined` has them. In
    training a share of the words is hidden as <unknown>, which many words of new texts are."""

    def __init__(self, joined: JoinedFrontEnd, *, hidden: float) -> None:
        super().__init__()
        self.joined, self.hidden = joined, hidden

    def forward(self, pictures: Tensor, ids: Tensor, lengths: Tensor) -> Tokens:
        """pictures (batch, channels, size, size), ids (batch, len), lengths (batch,) -> tokens of both, one after the
        other."""
        if self.training and self.hidden:
            chosen = torch.rand(ids.shape).to(ids.device) < self.hidden
            ids = ids.masked_fill(chosen & (ids != PADDING_ID), UNKNOWN_ID)
        parts = {"picture": pictures, "text": (ids, lengths)}
        tokens: Tokens = self.joined(**{name: parts[name] for name in self.joined.front_ends})
        return tokens


def _build(setup: Setup) -> Classifier:
    core, use = setup.settings.core, setup.settings.section(SeenSettings).use
    parts: dict[str, Any] = {}
    if use != "text":
        parts["picture"] = image_front_end(setup)
    if use != "picture":
        embedding = TokenEmbedding(setup.facts["vocabulary"], core.dim, positions=Sinusoidal(), dropout=core.dropout)
        parts["text"] = TextFrontEnd(embedding)
    front = PictureAndText(JoinedFrontEnd(parts), hidden=core.token_dropout)
    return Classifier(front, core, classes=len(setup.facts["labels"]))


def _baselines(data: Prepared) -> Mapping[str, Any]:
    labels, parts = data.setup.facts["labels"], (data.rows.train, data.rows.test)
    usual = most_frequent([row.label for row in parts[0]])
    train, test = ([Row(row.number, row.text, row.label) for row in part] for part in parts)
    words = tfidf(train, test, labels, spaceless=is_spaceless([row.text for row in train]))
    known, asked = (part.batch(np.arange(len(part))) for part in (data.train, data.test))
    plain = logistic(known.inputs[0].numpy(), known.targets.numpy(), asked.inputs[0].numpy())
    return {
        f"always {usual!r}": np.full(len(data.test), labels.index(usual)),
        f"{words.name} on the text": words.answers,
        "logistic regression on pixels": plain,
    }


_EMOJI = Settings(
    task="image-text",
    data=DataSettings(source="emoji"),
    tokens=TokenSettings(size=2000, least=1, longest=32, keep="first"),
    image=ImageSettings(size=32, channels=3, patch=4, shift=3, flip=True),
    seen=SeenSettings(use="both"),
    core=CoreSettings(
        kind="transformer", dim=64, hidden=128, layers=2, dropout=0.3, block_dropout=0.1, token_dropout=0.2
    ),
    train=TrainSettings(epochs=40, batch=64, rate=2e-3, weight_decay=0.05, warmup=0.1),
)

IMAGE_TEXT = Task(
    name="image-text",
    about="one of several classes of a picture and its text, read together",
    example="regard train image-text --data examples/captions.csv --epochs 40",
    beside="always the most frequent class; TF-IDF of the text with logistic regression; logistic regression on pixels",
    takes="about 1 minute on two cores (estimated from processor time)",
    files="parquet, csv, tsv or jsonl with a picture, a text and a label a row",
    presets={
        "both": _EMOJI,
        "text": changed(_EMOJI, {"seen.use": "text"}),
        "picture": changed(_EMOJI, {"seen.use": "picture"}),
    },
    digest=digest_captions,
    prepare=prepare_image_text,
    build=_build,
    judge=judge_classes,
    measures=measures_of_classes,
    baselines=_baselines,
    unused=("core.budget", "train.focus"),
    roles=("image", "text", "label", "group"),
    read=read_more_image_text,
    tell=tell_classes,
    explain=explain_image_text,
    heads=("head",),
)
