"""BLEU and chrF as sacreBLEU computes them, with its signature. Answers and truths are texts, one a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from regard.spec.errors import SpecError
from regard.spec.extra import require
from regard.tasks.scores.interval import Floats
from regard.tasks.scores.measure import Measure, Scored, made_of, paired

_OFFLINE = ("13a", "intl", "char", "zh", "none")  # the others download a model, or need a package of their own


def bleu(tokenize: str = "13a") -> Measure:
    """BLEU (Papineni et al. 2002), 0 to 100, as sacreBLEU has it (Post 2018): one reference, case kept, exponential
    smoothing. `tokenize`: sacreBLEU's name of how texts are parted: "13a" (the field's default), "intl", "char",
    "zh" (Chinese: one character a token), "none".

    Raises:
        SpecError: another tokenizer.
    """
    if tokenize not in _OFFLINE:
        raise SpecError(f"tokenize was {tokenize!r}, expected one of {', '.join(_OFFLINE)}")

    def weigh(answers: Sequence[str], truths: Sequence[str]) -> Scored:
        require("sacrebleu", what="sacreBLEU", extra="text")
        from sacrebleu.metrics.bleu import BLEU

        return _corpus("sacreBLEU", BLEU(tokenize=tokenize), answers, truths)

    return Measure("sacreBLEU", weigh)


def chrf(words: int = 0) -> Measure:
    """chrF (Popović 2015), 0 to 100, as sacreBLEU has it: F2 of character n-grams up to 6, spaces left out; with
    `words` = 2 of word n-grams up to 2 as well (chrF++, Popović 2017)."""

    def weigh(answers: Sequence[str], truths: Sequence[str]) -> Scored:
        require("sacrebleu", what="chrF", extra="text")
        from sacrebleu.metrics.chrf import CHRF

        return _corpus("chrF", CHRF(word_order=words), answers, truths)

    return Measure("chrF" + "+" * words, weigh)


def _corpus(name: str, metric: Any, answers: Sequence[str], truths: Sequence[str]) -> Scored:
    """A corpus score from sacreBLEU's own counts for each sentence: the two steps that its own paired bootstrap takes
    (they have no public name; a test holds the result to `corpus_score`)."""
    paired(name, answers, truths)
    counts = np.array(metric._extract_corpus_statistics(list(answers), [list(truths)]), dtype=float)

    def score(sums: Floats) -> Floats:
        return np.array([metric._compute_score_from_stats([int(count) for count in row]).score for row in sums])

    return made_of(counts, score, str(metric.get_signature()))
