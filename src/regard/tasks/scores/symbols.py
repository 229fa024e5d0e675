"""Scores of sequences, symbol by symbol: bits, perplexity, accuracy. Rows may differ in length.

For bits and perplexity an answer is the natural logarithm of the probability that was given to each true symbol,
(symbols,), and a truth is what was to be foretold: only its length counts.
"""

from __future__ import annotations

from collections.abc import Sequence, Sized
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regard.spec.errors import DataError
from regard.tasks.scores.interval import Floats
from regard.tasks.scores.measure import Measure, Scored, made_of, paired, quotient, ratio_of

_ABOVE_ONE = 1e-4  # a log-probability above 0 by rounding in float32; anything more is not a probability

Logs = NDArray[np.floating[Any]]


def bits_per(unit: str = "symbol") -> Measure:
    """-log2 of the probability of the truths, all rows together, over how many units they are long.

    Truths (rows,): anything with a length in that unit. They need not be cut as the answers are: with subwords
    foretold and texts as truths it is bits a character, which models with different subwords share.
    """

    def weigh(answers: Sequence[Logs], truths: Sequence[Sized]) -> Scored:
        name = f"bits per {unit}"
        lengths = _lengths(name, answers, truths)
        if unit == "symbol":
            _check_same(name, answers, truths)
        return ratio_of(_surprise(name, answers) / np.log(2), lengths)

    return Measure(f"bits per {unit}", weigh, "lower")


def _perplexing(answers: Sequence[Logs], truths: Sequence[Sized]) -> Scored:
    lengths = _lengths("perplexity", answers, truths)
    _check_same("perplexity", answers, truths)
    columns = np.stack([_surprise("perplexity", answers), lengths], axis=1)
    return made_of(columns, lambda sums: np.exp(quotient(sums)))


perplexity = Measure("perplexity", _perplexing, "lower")
"""exp of the mean -log probability of a symbol, all rows together: among how many equal choices it leaves one."""


def _hit(answers: Sequence[NDArray[Any]], truths: Sequence[NDArray[Any]]) -> Scored:
    lengths = _lengths("token accuracy", answers, truths)
    _check_same("token accuracy", answers, truths)
    right = [np.count_nonzero(np.asarray(one) == np.asarray(true)) for one, true in zip(answers, truths, strict=True)]
    return ratio_of(np.array(right, dtype=float), lengths)


token_accuracy = Measure("token accuracy", _hit)
"""Share of right symbols, all rows together. Answers and truths: one array of symbols a row, of equal length."""


def _surprise(name: str, answers: Sequence[Logs]) -> Floats:
    """-log probability of each row, in nats (rows,)."""
    for row, logs in enumerate(answers):
        values = np.asarray(logs)
        if len(values) and (not np.isfinite(values).all() or values.max() > _ABOVE_ONE):
            wrong = values[~np.isfinite(values) | (values > _ABOVE_ONE)][0]
            raise DataError(
                f"{name}: answer {row} (from 0) has the log-probability {wrong}, expected finite ones of at most 0; "
                "a model that gives the truth no chance at all has no finite score: smooth it"
            )
    return np.array([-np.sum(logs, dtype=float) for logs in answers])


def _lengths(name: str, answers: Sequence[Any], truths: Sequence[Sized]) -> Floats:
    paired(name, answers, truths)
    lengths = np.array([len(truth) for truth in truths], dtype=float)
    if not lengths.any():
        raise DataError(f"{name}: all {len(truths)} truths are empty, expected a symbol or more")
    return lengths


def _check_same(name: str, answers: Sequence[Any], truths: Sequence[Sized]) -> None:
    for row, (answer, truth) in enumerate(zip(answers, truths, strict=True)):
        if len(answer) != len(truth):
            raise DataError(f"{name}: answer {row} (from 0) is {len(answer)} long and its truth {len(truth)}")
