"""Character and word error rates of transcripts, aligned by jiwer. Answers and truths are texts, one a row."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from regard.spec.errors import DataError
from regard.spec.extra import require
from regard.tasks.scores.measure import Measure, Scored, paired, ratio_of


@dataclass(frozen=True)
class Reading:
    """What is done to both texts before they are compared; `name` stands in the protocol."""

    name: str
    read: Callable[[str], str]


def _spaced(text: str) -> str:
    return " ".join(text.split())


def _spoken(text: str) -> str:
    """Lower case, letters, marks and digits alone, apostrophes inside words kept: what can be heard."""
    kept = "".join(
        sign if unicodedata.category(sign)[0] in "LMN" or sign == "'" else " "
        for sign in unicodedata.normalize("NFKC", text).casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    )
    return " ".join(word.strip("'") for word in kept.split() if word.strip("'"))


AS_WRITTEN = Reading("as-written", _spaced)
SPOKEN = Reading("spoken", _spoken)


def word_errors(reading: Reading = AS_WRITTEN) -> Measure:
    """WER: words put in, left out and replaced, over the words of the truths, all rows together; may exceed 1."""
    return _rate("WER", "process_words", reading)


def character_errors(reading: Reading = AS_WRITTEN) -> Measure:
    """CER: the same of characters, spaces between words included."""
    return _rate("CER", "process_characters", reading)


def _rate(name: str, process: str, reading: Reading) -> Measure:
    def weigh(answers: Sequence[str], truths: Sequence[str]) -> Scored:
        require("jiwer", what=name, extra="audio")
        import jiwer

        paired(name, answers, truths)
        counted = [
            _counted(name, row, reading.read(answer), reading.read(truth), getattr(jiwer, process))
            for row, (answer, truth) in enumerate(zip(answers, truths, strict=True))
        ]
        wrong, length = np.array(counted, dtype=float).T
        return ratio_of(wrong, length)

    return Measure(name, weigh, "lower", f"text:{reading.name}")


def _counted(name: str, row: int, answer: str, truth: str, process: Callable[..., Any]) -> tuple[int, int]:
    """(errors, length of the truth) of one row."""
    if not truth:
        raise DataError(f"{name}: the truth of answer {row} (from 0) is empty, expected a text; leave the row out")
    found = process(truth, answer)
    wrong = found.substitutions + found.deletions + found.insertions
    return wrong, found.hits + found.substitutions + found.deletions
