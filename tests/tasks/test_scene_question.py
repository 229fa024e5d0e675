"""Which patches a thing that was found, or the outline of a class, rests on."""

import math

import pytest
import torch
from tests.tasks.scene_files import scenes
from tests.tasks.untrained import untrained, without

from regard.lens.explain import weigh
from regard.lens.methods import METHODS
from regard.spec.errors import SpecError
from regard.tasks import scene_question
from regard.tasks.detect import DETECT
from regard.tasks.scene_question import overlap
from regard.tasks.sections import DataSettings
from regard.tasks.segment import SEGMENT
from regard.tasks.settings import changed
from regard.tasks.task import Asked

SMALL = {
    "image.size": 32,
    "image.patch": 8,
    "core.dim": 16,
    "core.hidden": 32,
    "core.layers": 1,
    "core.heads": 2,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return scenes(tmp_path_factory.mktemp("scenes"), 12)


def asked(task, folder, **more):
    values = {"data": DataSettings(path=str(folder), validation_rows=2).model_dump(), **SMALL, **more}
    run = untrained(task, changed(task.settings(), values))[0]
    return run, run.given(Asked(folder, truths=False))


def test_overlap_is_what_boxes_share_of_what_they_cover():
    box = torch.tensor([0.0, 0.0, 0.5, 1.0])
    boxes = torch.tensor([[0.0, 0.0, 0.5, 1.0], [0.25, 0.0, 0.75, 1.0], [0.5, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]])
    assert overlap(boxes, box).tolist() == pytest.approx([1.0, 1 / 3, 0.0, 0.5])


def test_a_thing_is_as_probable_as_its_query_says(folder, monkeypatch):
    run, rows = asked(DETECT, folder, **{"finding.queries": 6})
    pixels = rows.part.batch(torch.tensor([0]).numpy()).pictures
    with torch.no_grad():
        last = run.model(pixels.float() / 255).layers[-1]
    chances = last.logits[0].softmax(-1)[:, :-1]
    question = run.question(rows)
    assert question.probability >= float(chances.max()) - 1e-5  # the surest query says it, at an overlap of 1
    label = question.target.partition(" at ")[0]
    assert label in ("red", "blue")
    other = run.question(rows, "red" if label == "blue" else "blue")
    assert other.probability < question.probability + 1e-6
    monkeypatch.setattr(scene_question, "LEAST", 0.0)  # untrained, no thing has a half
    order = chances.max(-1).values.argsort(descending=True)
    third = run.question(rows, piece=3)
    assert math.log(third.probability) >= math.log(float(chances[order[2]].max())) - 1e-5


def test_a_thing_s_score_is_the_best_query_s(folder):
    """With all patches in the mean colour: p times the overlap with the box that was found, of the query that has the
    most of it."""
    run, rows = asked(DETECT, folder, **{"finding.queries": 6})
    question = run.question(rows, "red")
    pixels = rows.part.batch(torch.tensor([0]).numpy()).pictures.float() / 255
    mean = torch.tensor(run.setup.facts["mean"])[None, :, None, None].expand_as(pixels)
    with torch.no_grad():
        whole, blank = run.model(pixels).layers[-1], run.model(mean).layers[-1]
    place = run.setup.facts["labels"].index("red")
    query = int(whole.logits[0].softmax(-1)[:, place].argmax())
    box = whole.boxes[0, query]
    expected = float((blank.logits[0].softmax(-1)[:, place] * overlap(blank.boxes[0], box)).max())
    found = question.scores(torch.zeros(1, 16, dtype=torch.bool), "mean").exp().item()
    assert found == pytest.approx(max(expected, 1e-6), rel=1e-3)


def test_an_outline_is_the_mean_over_its_pixels(folder):
    run, rows = asked(SEGMENT, folder)
    pixels = rows.part.batch(torch.tensor([0]).numpy()).pictures.float() / 255
    with torch.no_grad():
        run.model.classes.bias[1] += 5  # so that some pixels are told to be of the first label
        logs = run.model(pixels).log_softmax(1)[0]
    question, label = run.question(rows), run.labels[0]
    where = logs.argmax(0) == 1
    assert question.target.startswith(f"{label} (")
    assert math.log(question.probability) == pytest.approx(float(logs[1][where].mean()), abs=1e-4)
    assert question.units.grid == (4, 4)
    assert math.isfinite(question.scores(without(question, 3), "zero").item())


@pytest.mark.parametrize("task", [DETECT, SEGMENT])
def test_every_method_answers(task, folder):
    run, rows = asked(task, folder)
    if task is SEGMENT:
        with torch.no_grad():
            run.model.classes.bias[1] += 5
    for method in METHODS:
        assert weigh(run.question(rows), method.name).weights.shape == (16,)


def test_what_cannot_be_asked_is_said(folder):
    run, rows = asked(DETECT, folder)
    with pytest.raises(SpecError, match="no such label; those it knows: blue, red"):
        run.question(rows, "green")
    with torch.no_grad():
        run.model.boxes.classes.bias[-1] += 50  # each query says that nothing is there
    with pytest.raises(SpecError, match=r"no thing was found with a probability of 0\.5 or more"):
        run.question(rows, piece=1)
    run, rows = asked(SEGMENT, folder)
    with torch.no_grad():
        run.model.classes.bias[0] += 50
    with pytest.raises(SpecError, match="outlines nothing in this picture"):
        run.question(rows)
    with pytest.raises(SpecError, match="is of one piece"):
        run.question(rows, piece=1)
