"""Exact match and token F1 of short answers to questions (Rajpurkar et al. 2016).

Answers are texts, one a row. A truth is a text, or several of which the best counts.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from regard.tasks.scores.measure import Measure, Scored, mean_of, paired

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_SIGNS = str.maketrans("", "", string.punctuation)
_SAID = "normalised:squad"

Truth = str | Sequence[str]


def normalised(text: str) -> str:
    """A text as SQuAD compares it: lower case, without ASCII punctuation, English articles and spare spaces."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_SIGNS)).split())


def _same(answer: str, truth: str) -> float:
    return float(normalised(answer) == normalised(truth))


def _overlap(answer: str, truth: str) -> float:
    """F1 of the two bags of words; where one of them is empty, 1 if both are (SQuAD 2.0)."""
    said, meant = normalised(answer).split(), normalised(truth).split()
    if not said or not meant:
        return float(said == meant)
    shared = sum((Counter(said) & Counter(meant)).values())
    return 2 * shared / (len(said) + len(meant))


def _best(name: str, alike: Callable[[str, str], float], *, share: bool) -> Measure:
    def weigh(answers: Sequence[str], truths: Sequence[Truth]) -> Scored:
        paired(name, answers, truths)
        values = [
            max(alike(answer, one) for one in ([truth] if isinstance(truth, str) else truth))
            for answer, truth in zip(answers, truths, strict=True)
        ]
        return mean_of(np.array(values, dtype=float), share=share)

    return Measure(name, weigh, said=_SAID)


exact_match = _best("exact match", _same, share=True)
"""Share of answers that are a truth word for word, after SQuAD's normalisation."""

token_f1 = _best("token F1", _overlap, share=False)
"""Mean over rows of the F1 of an answer's words against the truth's, in any order, after SQuAD's normalisation."""
