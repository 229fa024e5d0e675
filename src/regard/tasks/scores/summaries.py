"""ROUGE as the package rouge-score computes it. Answers and truths are texts, one a row."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from regard.spec.errors import SpecError
from regard.spec.extra import require
from regard.tasks.scores.measure import Measure, Scored, mean_of, paired

_KINDS = {"1": "rouge1", "2": "rouge2", "L": "rougeL"}
_PIECE = re.compile(r"[^\W_]")


class _Characters:
    """Cuts a text into its letters and digits, lower case: for languages that have no spaces."""

    def tokenize(self, text: str) -> list[str]:
        return _PIECE.findall(text.lower())


def rouge(kind: str, *, spaceless: bool = False) -> Measure:
    """ROUGE-1, -2 or -L (Lin 2004): the mean over rows of F1, 0 to 1, no stemming. `kind`: "1", "2" (n-grams of
    words) or "L" (longest common subsequence of the whole text).

    Words are runs of a-z and 0-9, lower case: what rouge-score and the papers count. Other letters count for nothing
    in it, so that texts without spaces between words need `spaceless`, which counts characters and says so.

    Raises:
        SpecError: another kind.
    """
    if kind not in _KINDS:
        raise SpecError(f"ROUGE kind was {kind!r}, expected one of {', '.join(_KINDS)}")

    def weigh(answers: Sequence[str], truths: Sequence[str]) -> Scored:
        require("rouge_score", what="ROUGE", extra="text")
        from rouge_score.rouge_scorer import RougeScorer

        paired(f"ROUGE-{kind}", answers, truths)
        inside = _KINDS[kind]
        scorer = RougeScorer([inside], use_stemmer=False, tokenizer=_Characters() if spaceless else None)
        values = [scorer.score(truth, answer)[inside].fmeasure for answer, truth in zip(answers, truths, strict=True)]
        return mean_of(np.array(values, dtype=float))

    said = f"tokens:{'characters' if spaceless else 'a-z0-9'}|stemmer:no|F1"
    return Measure(f"ROUGE-{kind}", weigh, said=said)
