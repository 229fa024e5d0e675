"""Which patches and which words the class of a picture with its text rests on."""

import math

import pytest
import torch
from tests.tasks.picture_files import captions
from tests.tasks.test_image_text import SMALL
from tests.tasks.untrained import untrained, without

from regard.lens.explain import weigh
from regard.lens.methods import METHODS
from regard.tasks.image_text import IMAGE_TEXT
from regard.tasks.sections import DataSettings
from regard.tasks.settings import changed
from regard.tasks.task import Asked


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return captions(tmp_path_factory.mktemp("pictures"), 12)


def asked(table, use):
    values = {"data": DataSettings(path=str(table)).model_dump(), **SMALL}
    run = untrained(IMAGE_TEXT, changed(IMAGE_TEXT.settings(use), values))[0]
    return run, run.given(Asked(table, truths=False))


@pytest.mark.parametrize(
    ("use", "kind", "patches"), [("both", "part", 16), ("text", "word", 0), ("picture", "patch", 16)]
)
def test_each_run_is_asked_about_what_it_reads(table, use, kind, patches):
    run, rows = asked(table, use)
    question = run.question(rows, words=True)
    words = () if use == "picture" else tuple(rows.shown[0].split())
    assert question.units.kind == kind
    assert len(question.units) == patches + len(words)
    assert question.units.texts[patches:] == words
    assert (question.units.grid is not None) == (use == "picture")
    (told,) = run.task.tell(run.model, rows.part.batch(torch.tensor([0]).numpy()), run.setup)
    assert (question.target, question.probability) == (told["label"], pytest.approx(told["probability"], abs=1e-5))
    for method in METHODS:
        assert len(weigh(question, method.name).weights) == len(question.units)


def test_a_word_that_is_masked_is_one_that_is_not_known(table):
    run, rows = asked(table, "both")
    question = run.question(rows)
    batch = rows.part.batch(torch.tensor([0]).numpy())
    ids = batch.inputs[1].clone()
    ids[0, 0] = 1  # <unknown>
    with torch.no_grad():
        logs = run.model(batch.inputs[0], ids, batch.inputs[2])[0].log_softmax(-1)[0]
    expected = float(logs[run.labels.index(question.target)])
    assert question.scores(without(question, 16), "mask").item() == pytest.approx(expected, abs=1e-4)
    assert math.isfinite(question.scores(torch.zeros(1, len(question.units), dtype=torch.bool), "zero").item())
