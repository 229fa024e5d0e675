"""Questions about where things were and are; read out of the story, or chosen."""

import itertools
import json
import math

import numpy as np
import pytest
import torch
from torch import nn

from regard.app.cli import main
from regard.spec.errors import DataError
from regard.tasks.answer import ANSWER
from regard.tasks.event import unheard
from regard.tasks.sections import DataSettings
from regard.tasks.settings import changed
from regard.tasks.task import Asked
from regard.train.run import load_run

THINGS, PLACES = ("key", "lamp", "letter", "coat"), ("hall", "garden", "cellar", "yard", "red room")
SMALL = {
    "tokens.least": 1,
    "core.dim": 32,
    "core.hidden": 64,
    "core.layers": 2,
    "core.heads": 2,
    "core.dropout": 0.0,
    "core.token_dropout": 0.0,
    "train.epochs": 15,
    "train.batch": 16,
    "train.rate": 0.005,
}


def questions():
    """Each story has a thing at two places, and a question about either: the place mentioned last is right for half of
    them."""
    stories = itertools.product(THINGS, itertools.permutations(PLACES, 2))
    for number, (thing, places) in enumerate(stories):
        context = "The {} was in the {}. Then it went to the {}.".format(thing, *places)
        for question, where in zip(("Where was it first?", "Where is it now?"), places, strict=True):
            yield {"context": context, "question": question, "answer": where, "group": f"story {number}"}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("questions") / "stories.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in questions()))
    return path


def settings(table, **more):
    return changed(ANSWER.settings(), {"data": DataSettings(path=str(table)).model_dump(), **SMALL, **more})


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    """A run trained by the command itself."""
    out = tmp_path_factory.mktemp("runs") / "stories"
    sets = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    assert main(["train", "answer", "--data", str(table), "--out", str(out), *sets]) == 0
    return out


def test_a_run_learns_to_read_out_the_right_place(run):
    metrics = json.loads((run / "metrics.json").read_text())
    exact, overlap = metrics["scores"]
    assert (exact["name"], overlap["name"]) == ("exact match", "token F1")
    assert exact["value"] > 0.9
    assert [one["name"] for one in metrics["baselines"]][1] == "the answer mentioned last"
    assert metrics["baselines"][1]["scores"][0]["value"] == pytest.approx(0.5)
    assert json.loads((run / "config.json").read_text())["settings"]["answers"]["by"] == "place"
    assert "normalised:squad" in exact["protocol"]


def test_the_commands_answer_score_and_explain(run, table, capsys):
    typed = "The key was in the red room. Then it went to the hall. Where was it first?"
    assert main(["predict", str(run), "--text", typed]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["context"] == "The key was in the red room. Then it went to the hall."
    assert (said["question"], said["answer"]) == ("Where was it first?", "red room")
    assert 0 < said["probability"] <= 1
    assert main(["evaluate", str(run), "--data", str(table)]) == 0
    assert "exact match" in capsys.readouterr().out
    assert main(["explain", str(run), "--data", str(table), "--row", "2"]) == 0
    told = capsys.readouterr().out
    assert "Where is it now?" in told
    assert "word" in told


def test_it_tells_which_words_of_story_and_question_it_looked_at(run):
    loaded = load_run(run)
    found = loaded.explain(loaded.typed(["The key was in the hall. Then it went to the yard. Where is it now?"]), 0)
    assert found.answer.startswith("Where is it now? yard (")
    assert sum(unit.weight for unit in found.units) == pytest.approx(1, abs=1e-5)
    names = [unit.name for unit in found.units]
    assert names[:3] == ["The", "key", "was"]
    assert names[-2:] == ["question: now", "question: ?"]


def test_a_chosen_answer_is_one_of_the_training_s(table, tmp_path):
    asked = settings(table, **{"answers.by": "class"})
    data = ANSWER.prepare(asked, None, unheard)
    assert data.setup.facts["answers"] == sorted(PLACES)
    torch.manual_seed(0)
    model = ANSWER.build(data.setup).eval()
    batch = data.test.batch(np.arange(3))
    assert ANSWER.judge(model, batch, data.setup).units == 3
    assert set(ANSWER.answer(model, batch, data.setup)) <= set(PLACES)
    found = ANSWER.explain(model, data.test.batch(np.array([0])), data.setup)
    assert found.how == "the pooling's"
    assert sum(unit.weight for unit in found.units) == pytest.approx(1, abs=1e-5)
    (tmp_path / "odd.jsonl").write_text('{"context": "A.", "question": "Where?", "answer": "moon"}\n')
    given = ANSWER.read(Asked(tmp_path / "odd.jsonl"), data.setup)
    assert ANSWER.judge(model, given.part.batch(np.array([0])), data.setup).units == 0  # no class: no loss, but wrong


class Evenly(nn.Module):
    """Every token is the first, or the last, of the answer with the same probability."""

    def forward(self, ids, kinds, lengths):
        logs = torch.zeros(ids.shape).masked_fill(torch.arange(ids.shape[1]) >= lengths[:, None], -torch.inf)
        return logs.log_softmax(-1), logs.log_softmax(-1)


def test_the_loss_is_of_all_places_where_the_answer_stands(table, tmp_path):
    data = ANSWER.prepare(settings(table, **{"answers.by": "place"}), None, unheard)
    (tmp_path / "two.jsonl").write_text(
        '{"context": "Anna is in the hall. The hall is red.", "question": "Where?", "answer": "hall"}\n'
        '{"context": "Anna is here.", "question": "Where?", "answer": "moon"}\n'
    )
    given = ANSWER.read(Asked(tmp_path / "two.jsonl"), data.setup)
    outcome = ANSWER.judge(Evenly(), given.part.batch(np.arange(2)), data.setup)
    assert outcome.units == 1  # the second answer stands nowhere
    # 13 tokens: two places of p = 1/13 x 1/13 each
    assert outcome.losses.tolist() == pytest.approx([-math.log(2 / 13**2)])


def test_answers_that_do_not_stand_there_are_left_out_or_classes(table, tmp_path):
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    for row in rows[::4]:
        row["answer"] = "nowhere"
    path = tmp_path / "some.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    heard = []
    data = ANSWER.prepare(settings(path), None, lambda event: heard.append(event.text))
    assert data.settings.answers.by == "class"
    assert any("of the training answers stand in their text or question: answers are chosen from 6" in one
               for one in heard)  # fmt: skip
    data = ANSWER.prepare(settings(path, **{"answers.by": "place"}), None, unheard)
    assert data.counts["not_learnable"] == data.counts["train"] - len(data.train) > 0
    assert data.setup.facts["longest"] == 2  # "red room"
    for row in rows:
        row["answer"] = "nowhere"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DataError, match=r"no training answer stands .* --set answers.by=class"):
        ANSWER.prepare(settings(path, **{"answers.by": "place"}), None, unheard)


def test_questions_of_a_story_stay_together_and_bad_rows_are_named(table, tmp_path):
    data = ANSWER.prepare(settings(table), None, unheard)
    groups = [{row.group for row in part} for part in (data.rows.train, data.rows.validation, data.rows.test)]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 80
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"context": "", "question": "Who?", "answer": "a"}\n' + table.read_text())
    with pytest.raises(DataError, match=r"row 1 \(line 1\): empty text in column 'context'"):
        ANSWER.prepare(settings(bad), None, unheard)


@pytest.mark.parametrize(
    ("text", "context", "question"),
    [
        ("He is here. Where is he?", "He is here.", "Where is he?"),
        ("A. B! Who is it?  ", "A. B!", "Who is it?"),
        ("他在家。他在哪里？", "他在家。", "他在哪里？"),
        ("He is here. Where is he", "He is here.", "Where is he"),
    ],
)
def test_the_last_sentence_asks(table, text, context, question):
    setup = ANSWER.prepare(settings(table), None, unheard).setup
    given = ANSWER.typed([text], setup)
    assert given.shown == (context,)
    assert given.part.rows[0].question == question


def test_a_text_without_a_question_is_refused(table):
    setup = ANSWER.prepare(settings(table), None, unheard).setup
    with pytest.raises(DataError, match="text 1 of 1 is 'Where', expected a text and, as its last sentence"):
        ANSWER.typed(["Where"], setup)


@pytest.mark.data
@pytest.mark.parametrize(("preset", "by"), [("tomi", "place"), ("quartz", "place")])
def test_named_sets_are_read_out(needed, preset, by):
    needed(preset)
    data = ANSWER.prepare(ANSWER.settings(preset), None, unheard)
    assert data.settings.answers.by == by
    assert data.counts["not_learnable"] < 0.05 * data.counts["train"]
