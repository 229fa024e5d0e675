"""A measure whose library is not installed says which one, and what to type."""

import pytest

from regard.spec import extra
from regard.spec.errors import MissingExtraError
from regard.tasks.scores.summaries import rouge
from regard.tasks.scores.transcripts import character_errors, word_errors
from regard.tasks.scores.translation import bleu, chrf


@pytest.mark.parametrize(
    ("measure", "library", "brought_by"),
    [
        (bleu(), "sacrebleu", "text"),
        (chrf(), "sacrebleu", "text"),
        (rouge("L"), "rouge_score", "text"),
        (word_errors(), "jiwer", "audio"),
        (character_errors(), "jiwer", "audio"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_the_missing_library_is_named(monkeypatch, measure, library, brought_by):
    monkeypatch.setattr(extra, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=rf"{library}, which is not .*'regard\[{brought_by}\]'"):
        measure(["a"], ["a"], protocol="p")
