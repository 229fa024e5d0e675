"""Which symbols what comes next rests on: of a tune, and of a text."""

import json
import math
import random

import numpy as np
import pytest
import torch
from tests.tasks.test_language_model import settings as text_settings
from tests.tasks.test_music import SMALL, tune
from tests.tasks.untrained import untrained, without

from regard.lens.explain import weigh
from regard.lens.methods import METHODS
from regard.spec.errors import SpecError
from regard.tasks.language_model import LANGUAGE_MODEL
from regard.tasks.music import MUSIC
from regard.tasks.next_question import _NEVER
from regard.tasks.sections import DataSettings
from regard.tasks.settings import changed
from regard.train.run import load_run
from regard.train.training import train_run


@pytest.fixture(scope="module")
def tunes(tmp_path_factory):
    """Each note follows the one before it, c d e g c ...: nothing else decides."""
    draw, folder = random.Random(0), tmp_path_factory.mktemp("tunes")
    lines = [json.dumps({"symbols": " ".join(tune(draw)), "group": f"{at}"}) for at in range(80)]
    (folder / "tunes.jsonl").write_text("\n".join(lines) + "\n")
    data = DataSettings(path=str(folder / "tunes.jsonl")).model_dump()
    train_run(changed(MUSIC.settings(), {"data": data, **SMALL}), folder / "run")
    return load_run(folder / "run")


@pytest.fixture(scope="module")
def writer(tmp_path_factory):
    path = tmp_path_factory.mktemp("book") / "book.txt"
    path.write_text("one two, one two.\n" * 60)
    return untrained(LANGUAGE_MODEL, text_settings(path))[0]


def test_the_last_note_decides_the_next(tunes):
    question = tunes.question("c4 d4 e4")
    assert (question.target, question.units.texts, question.units.kind) == ("g4", ("c4", "d4", "e4"), "symbol")
    assert question.probability > 0.9
    assert int(weigh(question, "integrated gradients").weights.argmax()) == 2
    assert tunes.question("c4 d4 e4", "c4").probability < 0.1
    for method in METHODS:
        assert weigh(question, method.name).weights.shape == (3,)


def test_several_notes_are_multiplied_one_after_the_other(tunes):
    both = tunes.question("c4 d4", "e4 g4")
    one, other = tunes.question("c4 d4", "e4"), tunes.question("c4 d4 e4", "g4")
    assert both.probability == pytest.approx(one.probability * other.probability, rel=1e-4)
    assert both.attention.tokens.tolist() == [-1, 0, 1, -1]  # <start> and the note that was told stay
    assert both.attention.readout.tolist() == [0, 0, 0.5, 0.5]


def test_what_is_left_out_is_a_shorter_text(writer):
    question = writer.question("one two", "e")
    shorter = writer.question("one to", "e")
    found = question.scores(without(question, 5), "delete").item()
    assert found == pytest.approx(math.log(shorter.probability), abs=1e-4)
    every = torch.zeros(1, len(question.units), dtype=torch.bool)
    assert math.isfinite(question.scores(every, "delete").item())  # <start> is left


def test_words_have_the_blanks_behind_them(writer):
    question = writer.question("one two, one", words=True)
    assert question.units.texts == ("one", "two", ",", "one")
    assert question.attention.tokens.tolist() == [-1, 0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3]
    assert question.units.source == "one two, one"
    assert len(writer.question(" ", words=True).units) == 1  # a blank alone is a unit


def test_what_cannot_be_asked_is_said(tunes, writer):
    with pytest.raises(SpecError, match="one symbol or more that the run knows"):
        tunes.question("c4", "z9")
    with pytest.raises(SpecError, match="one symbol or more"):
        writer.question("one", "")
    with pytest.raises(SpecError, match="as a text"):
        writer.question("one", 3)
    with pytest.raises(SpecError, match="is of one piece"):
        writer.question("one", piece=1)


def test_what_is_never_written_has_no_probability(writer):
    """The untrained model gives the signs of padding, of the start and of an unknown symbol a share: it is not told."""
    question = writer.question("one two")
    batch = writer.typed(["one two"]).part.batch(np.array([0]))
    with torch.no_grad():
        logits = writer.model(batch.ids)[0, int(batch.lengths[0]) - 1]
    raw = float(logits.softmax(-1).max())
    logits[list(_NEVER)] = -torch.inf
    assert question.probability == pytest.approx(float(logits.softmax(-1).max()), rel=1e-4)
    assert question.probability > raw * 1.01


def test_unknown_symbols_are_counted_and_nothing_else_is_refused(writer):
    assert writer.question("one two").notes == ()
    assert writer.question("One tWo").notes == ("symbols unknown to this run, which stand for nothing here: 2",)
    with pytest.raises(SpecError, match="knows none of the symbols"):
        writer.question("XYZ")
