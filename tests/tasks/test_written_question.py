"""What is written as a question: all of it, or one word given those before it; of a text, and of a picture."""

import json
import math

import pytest
import torch
from tests.tasks.picture_files import captions
from tests.tasks.test_caption import SMALL
from tests.tasks.untrained import untrained, without

from regard.lens.explain import weigh
from regard.lens.methods import METHODS
from regard.spec.errors import SpecError
from regard.tasks.caption import CAPTION
from regard.tasks.pairs_data import target_symbols
from regard.tasks.sections import DataSettings
from regard.tasks.settings import changed
from regard.tasks.task import Asked
from regard.tasks.translate import TRANSLATE
from regard.tasks.written_question import WrittenTarget

PAIRS = [("red cat", "rote Katze"), ("blue dog", "blauer Hund"), ("red dog", "roter Hund"), ("blue cat", "blaue Katze")]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    rows = [
        {"source": f"{one} {at}", "target": f"{other} {at}", "group": at} for at in range(10) for one, other in PAIRS
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    small = {"core.dim": 16, "core.hidden": 32, "core.layers": 1, "core.heads": 2, "writing.longest": 12}
    data = DataSettings(path=str(path), test_rows=4, validation_rows=4).model_dump()
    return untrained(TRANSLATE, changed(TRANSLATE.settings("transformer"), {"data": data, "tokens.least": 1, **small}))[
        0
    ]


def test_words_one_after_the_other_make_up_the_whole(run):
    """The whole is the mean over the symbols and the end; a word, given those before it, the sum over its own."""
    whole = run.question("red cat", "rote Katze")
    pieces = [run.question("red cat", "rote Katze", piece=place) for place in (1, 2)]
    assert [one.target for one in pieces] == ["'rote' at the beginning", "'Katze' after 'rote'"]
    assert {one.quantity for one in pieces} == {"probability"}
    meant = WrittenTarget.of(target_symbols(run.setup), "rote Katze", None, list)
    count = len(meant.wanted)
    batch = run.typed(["red cat"]).part.batch(torch.tensor([0]).numpy())
    with torch.no_grad():
        logs = run.model(batch.given, meant.inputs)[0].log_softmax(-1)
    each = logs.gather(-1, meant.wanted[:, None])[:, 0]
    assert math.log(whole.probability) == pytest.approx(float(each.mean()), abs=1e-4)
    spoken = sum(math.log(one.probability) for one in pieces)
    assert spoken == pytest.approx(float(each[:-1].sum()), abs=1e-3)
    assert count == len(each)


def test_a_word_that_is_not_there_is_told(run):
    with pytest.raises(SpecError, match="has the words 1 to 2"):
        run.question("red cat", "rote Katze", piece=3)
    with pytest.raises(SpecError, match="no target was given"):
        run.question("red cat", "")
    with pytest.raises(SpecError, match="a text, what is written"):
        run.question("red cat", 4)


def test_a_caption_is_asked_about_by_patches(tmp_path_factory):
    table = captions(tmp_path_factory.mktemp("pictures"), 6)
    values = {"data": DataSettings(path=str(table)).model_dump(), **SMALL}
    run = untrained(CAPTION, changed(CAPTION.settings(), values))[0]
    rows = run.given(Asked(table, truths=False))
    question = run.question(rows, "red above", piece=2)
    assert (question.target, question.units.grid) == ("'above' after 'red '", (4, 4))
    batch = rows.part.batch(torch.tensor([0]).numpy())
    pixels = batch.given[0].float() / 255
    pixels[:, :, :4, :4] = 0  # the first patch of 4 x 4
    meant = WrittenTarget.of(target_symbols(run.setup), "red above", 2, list)
    with torch.no_grad():
        expected = float(meant.score(run.model((pixels,), meant.inputs)))
    assert question.scores(without(question, 0), "zero").item() == pytest.approx(expected, abs=1e-4)
    for method in METHODS:
        assert weigh(question, method.name).weights.shape == (16,)
