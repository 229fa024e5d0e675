"""Classes of sequences of symbols: bases of a gene, letters of a code; read in k-mers below the core."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from regard.nn.front_ends import SymbolFrontEnd, Tokens
from regard.spec import Learned
from regard.tasks.alphabet import FIRST, run_alphabet
from regard.tasks.baselines.labels import logistic, most_frequent, one_hot
from regard.tasks.batches import TextBatch, TextPart
from regard.tasks.classes import judge_classes, measures_of_classes, ranked, tell_classes
from regard.tasks.classifier import Classifier
from regard.tasks.explained import Explained, Weighed
from regard.tasks.sections import CoreSettings, DataSettings, SymbolSettings, TrainSettings
from regard.tasks.settings import Settings
from regard.tasks.symbol_data import digest_symbols, prepare_symbols, read_more_symbols, typed_symbols
from regard.tasks.task import Prepared, Setup, Task
from regard.tasks.vocabulary import PADDING_ID, UNKNOWN_ID

_PLACES = 512  # of longer sequences the first so many are what the logistic regression is given


class SymbolReader(nn.Module):
    """ids (batch, len), lengths (batch,) -> tokens. In training a share of the symbols is hidden as <unknown>, so that
    no single one decides."""

    def __init__(self, front: SymbolFrontEnd, *, hidden: float) -> None:
        super().__init__()
        self.symbols, self.hidden = front, hidden

    def forward(self, ids: Tensor, lengths: Tensor) -> Tokens:
        if self.training and self.hidden:
            chosen = torch.rand(ids.shape).to(ids.device) < self.hidden
            ids = ids.masked_fill(chosen & (ids != PADDING_ID), UNKNOWN_ID)
        tokens: Tokens = self.symbols(ids, lengths)
        return tokens


def _build(setup: Setup) -> Classifier:
    core, symbols = setup.settings.core, setup.settings.section(SymbolSettings)
    front = SymbolFrontEnd(
        setup.facts["vocabulary"],
        core.dim,
        kmer=symbols.kmer,
        stride=symbols.stride,
        positions=Learned(-(-symbols.longest // symbols.stride)),
        dropout=core.dropout,
    )
    return Classifier(SymbolReader(front, hidden=core.token_dropout), core, classes=len(setup.facts["labels"]))


def _baselines(data: Prepared) -> Mapping[str, Any]:
    assert isinstance(data.train, TextPart)
    assert isinstance(data.test, TextPart)
    labels, many = data.setup.facts["labels"], len(data.setup.facts["symbols"])
    usual = most_frequent([row.label for row in data.rows.train])
    places = min(_PLACES, int(max(data.train.lengths.max(), data.test.lengths.max())))
    known, asked = (one_hot(_laid(part, places), many) for part in (data.train, data.test))
    return {
        f"always {usual!r}": np.full(len(data.test), labels.index(usual)),
        "logistic regression on one-hot symbols": logistic(known, data.train.truths, asked),
    }


def _laid(part: TextPart, places: int) -> NDArray[np.int64]:
    """The symbols of each row from 0, (rows, places): -1 for those that training had not, and past the row's end."""
    laid = np.full((len(part), places), -1, dtype=np.int64)
    ids = part.batch(np.arange(len(part))).ids.numpy()[:, :places]
    laid[:, : ids.shape[1]] = np.maximum(ids - FIRST, -1)
    return laid


def _explain(model: nn.Module, batch: TextBatch, setup: Setup) -> Explained:
    """Which symbols the pooling drew on, each with its place from 1 and the symbols that its token sees."""
    assert isinstance(model, Classifier)
    alphabet, ids = run_alphabet(setup), batch.ids[0].tolist()
    logits, weights = model(*batch.inputs)
    stride, count = setup.settings.section(SymbolSettings).stride, len(ids)
    units = []
    for place, unit in enumerate(model.front(*batch.inputs).covered(0)):
        first, last = place * stride, min((place + 1) * stride, count)
        where = f"{first + 1}" if last - first == 1 else f"{first + 1} to {last}"
        seen = alphabet.joined(ids[int(unit.bounds[0]) : int(unit.bounds[1])])
        own = alphabet.joined(ids[first:last])
        units.append(f"{where}: {own}" if own == seen else f"{where}: {own} in {seen}")
    answer = ranked(setup.facts["labels"], logits[0].float().softmax(-1).tolist())
    weighed = tuple(Weighed(unit, share) for unit, share in zip(units, weights[0].tolist(), strict=True))
    return Explained(f"{answer['label']} ({answer['probability']:.3f})", weighed, "symbol", "the pooling's")


_SPLICE = Settings(
    task="symbols",
    data=DataSettings(source="splice"),
    symbols=SymbolSettings(kmer=5),
    core=CoreSettings(
        kind="transformer", dim=64, hidden=128, layers=2, dropout=0.2, block_dropout=0.1, token_dropout=0.1
    ),
    train=TrainSettings(epochs=25, batch=64, rate=2e-3, weight_decay=0.05, warmup=0.1),
)

SYMBOLS = Task(
    name="symbols",
    about="one of several classes: sequences of symbols, such as the bases of a gene",
    example="regard train symbols --data SEQUENCES.csv",
    beside="always the most frequent class; logistic regression on one-hot symbols",
    takes="about 1 minute on two cores (estimated from processor time)",
    files="csv, tsv, jsonl or parquet with a column of symbols (letters, or words parted by spaces) and one of labels; "
    "rows of one group stay in one part",
    presets={"splice": _SPLICE},
    digest=digest_symbols,
    prepare=prepare_symbols,
    build=_build,
    judge=judge_classes,
    measures=measures_of_classes,
    baselines=_baselines,
    unused=("core.budget", "train.focus"),
    roles=("symbols", "label", "group"),
    read=read_more_symbols,
    typed=typed_symbols,
    tell=tell_classes,
    explain=_explain,
    heads=("head",),
)
