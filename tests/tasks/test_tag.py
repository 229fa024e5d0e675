"""Words with tags: one word's tag depends on the word before it."""

import json
import random

import numpy as np
import pytest
import torch

from regard.app.cli import main
from regard.spec.errors import DataError
from regard.tasks.event import unheard
from regard.tasks.sections import DataSettings
from regard.tasks.settings import changed
from regard.tasks.tag import TAG
from regard.tasks.tag_data import NO_TAG
from regard.train.run import load_run

SMALL = {
    "tokens.least": 1,
    "core.dim": 16,
    "core.hidden": 32,
    "core.layers": 1,
    "core.heads": 2,
    "core.dropout": 0.0,
    "core.token_dropout": 0.1,
    "train.epochs": 15,
    "train.batch": 16,
    "train.tokens": 200,
    "train.rate": 0.01,
}


def sentence(draw):
    """ "the can falls" or "we can run": can is a noun after the, and a verb after we; so is each of the others."""
    word = draw.choice(["can", "fish", "walk", "ship", "book"])
    if draw.random() < 0.5:
        return ["The", word, draw.choice(["falls", "sinks"]), "."], ["at", "nn", "vb", "."]
    return ["We", word, draw.choice(["often", "daily"]), "."], ["pp", "vb", "rb", "."]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    draw = random.Random(0)
    path = tmp_path_factory.mktemp("tags") / "sentences.jsonl"
    lines = []
    for number in range(200):
        first, second = sentence(draw), sentence(draw)
        row = {"tokens": [*first[0], f"x{number}", *second[0]], "tags": [*first[1], "uh", *second[1]]}
        lines.append(json.dumps(row | {"group": f"text {number // 4}"}))
    path.write_text("\n".join(lines) + "\n")
    return path


def settings(table, **more):
    return changed(TAG.settings(), {"data": DataSettings(path=str(table)).model_dump(), **SMALL, **more})


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    """A run trained by the command itself."""
    out = tmp_path_factory.mktemp("runs") / "tags"
    sets = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    assert main(["train", "tag", "--data", str(table), "--out", str(out), *sets]) == 0
    return out


def test_a_run_learns_what_the_word_before_decides(run):
    metrics = json.loads((run / "metrics.json").read_text())
    (score,) = metrics["scores"]
    assert score["name"] == "accuracy"
    assert score["value"] > 0.97
    (baseline,) = metrics["baselines"]
    assert baseline["name"] == "each word's most frequent tag"
    assert 0.75 < baseline["scores"][0]["value"] < 0.95  # two of nine words are open, and half of them guessed
    assert "|words:" in score["protocol"]


def test_each_tag_says_where_it_looked(run, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert main(["explain", str(run), "--text", "We fish often.", "--html", str(page)]) == 0
    said = capsys.readouterr().out
    assert "We/pp fish/vb often/rb ./." in said
    assert "Where each tag looked" in said
    assert '<table class="alignment"' in page.read_text()
    loaded = load_run(run)
    found = loaded.explain(loaded.typed(["The ship sinks."]), 0)
    assert found.alignment.written == ("The/at", "ship/nn", "sinks/vb", "./.")
    assert np.array(found.alignment.weights).sum(1) == pytest.approx(1, abs=1e-5)
    assert [unit.name for unit in found.units] == ["The", "ship", "sinks", "."]
    assert sum(unit.weight for unit in found.units) == pytest.approx(1, abs=1e-5)


def test_the_commands_answer_and_score(run, table, capsys):
    assert main(["predict", str(run), "--text", "The walk falls."]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == {"tokens": "The walk falls .", "tags": ["at", "nn", "vb", "."]}
    assert main(["predict", str(run), "--data", str(table)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 200
    assert main(["evaluate", str(run), "--data", str(table)]) == 0
    assert "accuracy" in capsys.readouterr().out


def test_new_words_are_told_by_ending_and_shape(run):
    loaded = load_run(run)
    (said,) = loaded.told(loaded.typed(["The book sinks. x999 We"]))
    assert said["tags"] == ["at", "nn", "vb", ".", "uh", "pp"]


def test_padding_and_unknown_tags_have_no_loss_and_unknown_ones_count_as_wrong(table, tmp_path):
    data = TAG.prepare(settings(table), None, unheard)
    (tmp_path / "odd.jsonl").write_text('{"tokens": ["The", "can"], "tags": ["at", "zz"]}\n{"tokens": ["We"], '
                                        '"tags": ["pp"]}\n')  # fmt: skip
    from regard.tasks.task import Asked

    given = TAG.read(Asked(tmp_path / "odd.jsonl"), data.setup)
    assert given.part.truths[0].tolist()[1] == NO_TAG
    batch = given.part.batch(np.arange(2))
    assert (batch.tokens, batch.places, len(batch)) == (3, 4, 2)
    torch.manual_seed(0)
    model = TAG.build(data.setup).eval()
    outcome = TAG.judge(model, batch, data.setup)
    assert outcome.units == 2
    assert list(map(len, TAG.answer(model, batch, data.setup))) == [2, 1]


def test_bad_rows_are_named_and_texts_stay_whole(table, tmp_path):
    lines = table.read_text().splitlines()
    bad = tmp_path / "bad.jsonl"
    bad.write_text("\n".join(['{"tokens": ["a"], "tags": []}', '{"tokens": ["a", "b"], "tags": ["x"]}', *lines]) + "\n")
    with pytest.raises(DataError, match=r"row 1 \(line 1\).*row 2 \(line 2\): 1 tags for 2 tokens"):
        TAG.prepare(settings(bad), None, unheard)
    data = TAG.prepare(settings(table), None, unheard)
    groups = [{row.group for row in part} for part in (data.rows.train, data.rows.validation, data.rows.test)]
    assert sum(map(len, groups)) == len(set.union(*groups))
    with pytest.raises(DataError, match="text 1 of 1 is empty"):
        TAG.typed([" "], data.setup)


@pytest.mark.data
def test_the_named_set_has_many_tags(needed):
    needed("brown")
    data = TAG.prepare(changed(TAG.settings(), {"data.train_rows": 2000}), None, unheard)
    assert len(data.train) == 2000
    assert 100 < len(data.setup.facts["tags"]) < 240
