"""BLEU and chrF are sacreBLEU's to the last bit, with its signature; the interval is that of resampled sentences."""

import numpy as np
import pytest
from tests.optional_packages import package

from regard.spec.errors import SpecError
from regard.tasks.scores.translation import bleu, chrf

ANSWERS = ["the cat sat on the mat", "there is no dog here today", "Hello world !", "a b c", "to be or not"]
TRUTHS = ["the cat sat on a mat", "there is no dog here", "Hello, world!", "x y z", "to be or not to be"]


@pytest.fixture
def sacre():
    return package("sacrebleu", "regard[text]")


def test_bleu_is_corpus_bleu(sacre):
    metric = bleu()(ANSWERS, TRUTHS, protocol="part:test")
    own = sacre.metrics.BLEU()
    assert metric.value == own.corpus_score(ANSWERS, [TRUTHS]).score
    assert f"|{own.get_signature()}|" in metric.protocol
    assert "tok:13a" in metric.protocol
    assert metric.name == "sacreBLEU"
    assert metric.low < metric.value < metric.high


def test_chrf_is_corpus_chrf(sacre):
    assert chrf()(ANSWERS, TRUTHS, protocol="p").value == sacre.metrics.CHRF().corpus_score(ANSWERS, [TRUTHS]).score
    plus = chrf(words=2)(ANSWERS, TRUTHS, protocol="p")
    assert plus.value == sacre.metrics.CHRF(word_order=2).corpus_score(ANSWERS, [TRUTHS]).score
    assert plus.name == "chrF++"
    assert "nw:2" in plus.protocol


@pytest.mark.parametrize("tokenize", ["zh", "char", "intl"])
def test_other_tokenizers_are_said(sacre, tokenize):
    answers, truths = ["我 喜欢苹果, 很甜。", "他在家"], ["我喜欢苹果，很甜。", "他不在家"]
    metric = bleu(tokenize)(answers, truths, protocol="p")
    assert metric.value == sacre.metrics.BLEU(tokenize=tokenize).corpus_score(answers, [truths]).score
    assert f"tok:{tokenize}" in metric.protocol


def test_the_interval_is_that_of_resampled_sentences(sacre):
    chance = np.random.default_rng(0)
    answers, truths = ANSWERS * 8, TRUTHS * 8
    metric = bleu()(answers, truths, protocol="p")
    own, scores = sacre.metrics.BLEU(), []
    for _ in range(300):
        rows = chance.integers(0, len(answers), len(answers))
        scores.append(own.corpus_score([answers[row] for row in rows], [[truths[row] for row in rows]]).score)
    low, high = np.quantile(scores, (0.025, 0.975))
    assert (metric.low, metric.high) == pytest.approx((low, high), abs=0.25 * (high - low))


def test_a_better_translation_gains(sacre):
    metric = bleu().gain(TRUTHS * 5, ANSWERS * 5, TRUTHS * 5, protocol="p")
    assert metric.value == pytest.approx(100 - bleu()(ANSWERS * 5, TRUTHS * 5, protocol="p").value)
    assert metric.low > 0
    assert "paired-bootstrap95" in metric.protocol


def test_a_tokenizer_that_would_have_to_be_fetched_is_refused():
    with pytest.raises(SpecError, match="expected one of 13a"):
        bleu("flores200")
