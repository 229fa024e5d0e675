"""Hidden words: fixed where they are scored, drawn anew where they are learned, and a start for other tasks."""

import json
import random

import numpy as np
import pytest
import torch

from regard.spec.errors import SpecError
from regard.tasks.batches import encoded
from regard.tasks.classify import CLASSIFY
from regard.tasks.event import unheard
from regard.tasks.hidden_tokens import HiddenPart
from regard.tasks.masked_text import MASKED_TEXT
from regard.tasks.sections import DataSettings, HiddenSettings
from regard.tasks.settings import changed
from regard.tasks.vocabulary import UNKNOWN_ID
from regard.train.training import train_run

ROWS = [[2, 3, 4, 5] * 10, [7], [UNKNOWN_ID, 6], [UNKNOWN_ID, UNKNOWN_ID]]
PART = HiddenPart(encoded(ROWS, [0] * 4), HiddenSettings(share=0.25), 50)


def test_what_is_hidden_depends_on_the_text_alone():
    together = PART.batch(np.array([1, 0, 2, 3]))
    alone = PART.batch(np.array([0]))
    assert torch.equal(together.hidden[1, :40], alone.hidden[0])
    assert torch.equal(together.shown[1, :40], alone.shown[0])
    assert together.ids[1, :40].tolist() == ROWS[0]
    elsewhere = HiddenPart(encoded([ROWS[1], ROWS[0]], [0, 1]), PART.settings, PART.vocabulary).batch(np.array([1]))
    assert torch.equal(elsewhere.hidden, alone.hidden)
    assert not together.hidden[0, 1:].any()  # padding


def test_truths_are_the_hidden_tokens_and_never_an_unknown_one():
    batch = PART.batch(np.arange(4))
    for row, truth in enumerate(PART.truths):
        assert batch.ids[row][batch.hidden[row]].tolist() == truth.tolist()
    assert [len(truth) for truth in PART.truths][1:] == [1, 1, 0]  # one at least, where any is known
    assert 4 <= len(PART.truths[0]) <= 18


def test_most_hidden_tokens_read_as_unknown_some_as_others_some_as_they_are():
    part = HiddenPart(encoded([[2 + row % 40] * 400 for row in range(20)], [0] * 20), HiddenSettings(), 1000)
    for batch in (part.batch(np.arange(20)), part.batch(np.arange(20)).drawn(HiddenSettings(), 1000)):
        hidden, shown, ids = batch.hidden, batch.shown, batch.ids
        assert hidden.float().mean().item() == pytest.approx(0.15, abs=0.02)
        assert torch.equal(shown[~hidden], ids[~hidden])
        unknown = (shown[hidden] == UNKNOWN_ID).float().mean().item()
        kept = (shown[hidden] == ids[hidden]).float().mean().item()
        assert unknown == pytest.approx(0.8, abs=0.05)
        assert kept == pytest.approx(0.1, abs=0.04)


def test_training_hides_others_at_every_step_by_torchs_random_state():
    batch = PART.batch(np.array([0]))
    torch.manual_seed(3)
    first, second = (batch.drawn(HiddenSettings(share=0.3), 50) for _ in range(2))
    assert not torch.equal(first.hidden, second.hidden)
    torch.manual_seed(3)
    assert torch.equal(batch.drawn(HiddenSettings(share=0.3), 50).shown, first.shown)


@pytest.fixture
def pairs(tmp_path):
    """Texts in which the word after tells the word before: cats purr, dogs bark."""
    draw = random.Random(0)
    lines = []
    for number in range(300):
        words = [word for _ in range(6) for word in draw.choice((["cat", "purrs"], ["dog", "barks"], ["cow", "moos"]))]
        lines.append(f"{' '.join(words)} {number},{'ab'[number % 2]}")
    path = tmp_path / "pairs.csv"
    path.write_text("text,label\n" + "\n".join(lines) + "\n")
    return path


def settings(path, preset="transformer", **more):
    asked = {
        "data": DataSettings(path=str(path)).model_dump(),
        "tokens.longest": 16,
        "core.dim": 16,
        "core.hidden": 32,
        "core.dropout": 0,
        "train.epochs": 12,
        "train.batch": 16,
        "train.rate": 0.01,
    }
    return changed(MASKED_TEXT.settings(preset), asked | more)


@pytest.mark.parametrize("preset", ["transformer", "bilstm"])
def test_it_learns_what_the_words_beside_tell(pairs, tmp_path, preset):
    result = train_run(settings(pairs, preset), tmp_path / "run")
    (score,) = result.scores
    assert score.name == "accuracy on hidden tokens"
    assert score.value > 0.5  # one of six words by chance, one of two for whom its neighbour is known
    assert result.baselines[0].beaten_by(score)
    assert result.baselines[0].scores[0].value < 0.3


def test_it_is_parted_as_a_classifier_of_the_same_data_is(pairs):
    asked = settings(pairs)
    hidden = MASKED_TEXT.prepare(asked, None, unheard)
    plain = CLASSIFY.prepare(
        changed(CLASSIFY.settings("transformer"), {"data": asked.data.model_dump(), "tokens.kind": "words"}),
        None,
        unheard,
    )
    assert hidden.rows.test == plain.rows.test
    assert np.array_equal(hidden.marks, plain.marks)


def test_its_weights_are_a_start_for_a_classifier(pairs, tmp_path):
    train_run(settings(pairs, **{"train.epochs": 1}), tmp_path / "masked")
    begun = changed(
        CLASSIFY.settings("transformer"),
        {
            "data": DataSettings(path=str(pairs)).model_dump(),
            "tokens": settings(pairs).tokens.model_dump(),
            "core": settings(pairs).core.model_dump(),
            "train.epochs": 1,
            "train.init": str(tmp_path / "masked"),
        },
    )
    train_run(begun, tmp_path / "run")
    init = json.loads((tmp_path / "run" / "config.json").read_text())["init"]
    assert {"embedding.table", "encoder.encoder.blocks.0.attention.query.weight"} <= set(init["taken"])
    assert all(name.startswith(("pooling.", "classes.")) for name in init["left"])
    assert all(name.startswith(("narrow.", "head.")) for name in init["unused"])


def test_a_budget_has_no_use_here(pairs, tmp_path):
    with pytest.raises(SpecError, match="masked-text has no use for"):
        train_run(settings(pairs, **{"core.budget": 0.5}), tmp_path / "run")
