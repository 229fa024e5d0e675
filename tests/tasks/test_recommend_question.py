"""Which past items the next one rests on."""

import math
from dataclasses import replace

import pytest
import torch
from tests.tasks.test_recommend import ROWS, settings
from tests.tasks.untrained import untrained, without

from regard.lens.evidence import evidence_for
from regard.lens.explain import weigh
from regard.lens.methods import METHODS
from regard.spec.errors import SpecError
from regard.tasks.event import unheard
from regard.tasks.recommend import RECOMMEND
from regard.tasks.task import Asked
from regard.train.checkpoint import write_tensors


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "small.csv"
    path.write_text(ROWS)
    return untrained(RECOMMEND, settings(path))[0]


def given(run, tmp_path, items, name="new.csv"):
    path = tmp_path / name
    path.write_text("user,item,time\n" + "".join(f"ann,{item},{at}\n" for at, item in enumerate(items)))
    return run.given(Asked(path, truths=False))


def test_past_items_are_units_and_the_answer_is_the_runs_own(run, tmp_path):
    rows = given(run, tmp_path, "abc")
    question = run.question(rows)
    assert (question.units.texts, question.units.kind) == (("a", "b", "c"), "past item")
    (told,) = run.told(rows)
    assert (question.target, question.probability) == (told["item"], pytest.approx(told["probability"], abs=1e-5))
    whole = sum(run.question(rows, item).probability for item in "dxy")
    assert whole == pytest.approx(1, abs=1e-5)  # a share of those that were not had


def test_what_is_left_out_is_a_shorter_history(run, tmp_path):
    question = run.question(given(run, tmp_path, "abc"), "d")
    shorter = given(run, tmp_path, "ac", "shorter.csv")
    logits = run.model(*_inputs(shorter))[0].detach()
    logits[[0, 1, 2]] = -torch.inf  # what was had stays had: b is not offered again because it is left out
    expected = float(logits.log_softmax(-1)[3])
    assert question.scores(without(question, 1), "delete").item() == pytest.approx(expected, abs=1e-4)
    every = torch.zeros(1, 3, dtype=torch.bool)
    assert math.isfinite(question.scores(every, "delete").item())


def _inputs(rows):
    batch = rows.part.batch(torch.tensor([0]).numpy())
    return batch.items, batch.times, batch.lengths, torch.tensor([[False, True]])


def test_every_method_answers(run, tmp_path):
    question = run.question(given(run, tmp_path, "abc"))
    for method in METHODS:
        assert weigh(question, method.name).weights.shape == (3,)


def test_what_was_had_is_never_the_answer(run, tmp_path):
    with pytest.raises(SpecError, match="was had already"):
        run.question(given(run, tmp_path, "abc"), "b")
    with pytest.raises(SpecError, match="no such class"):
        run.question(given(run, tmp_path, "abc"), "z")


def test_a_history_whose_earlier_events_were_trained_on_is_not_called_new(tmp_path):
    """Of each user's events all but the last train or validate: what is taken away was learned from."""
    path = tmp_path / "small.csv"
    path.write_text(ROWS + "cy,a,1\n")
    asked = settings(path, data__skip_refused=True)
    run, _ = untrained(RECOMMEND, asked)
    run = replace(run, folder=tmp_path)
    marks = RECOMMEND.prepare(asked, None, unheard).marks
    write_tensors(tmp_path / "seen.safetensors", {"marks": torch.from_numpy(marks)}, {})
    rows = run.given(Asked(path, truths=False))
    assert rows.shown == ("ann", "ben", "cy")
    assert [run.trained_on(rows, row) for row in range(3)] == [False] * 3  # the events that were tested, and a new one
    asked = [run.question(rows, row=row) for row in range(3)]
    assert [one.trained_on for one in asked] == [True, True, False]
    lines = evidence_for(asked[0], {"it": [0.5] * 5}, "it", draws=1).lines()
    assert "the run was trained or validated on some events of this input" in lines
