"""Pictures with texts: read together, or one of them alone."""

import json

import numpy as np
import pytest
import torch
from tests.tasks.picture_files import captions

from regard.app.cli import main
from regard.spec.errors import DataError
from regard.tasks.event import unheard
from regard.tasks.image_text import IMAGE_TEXT
from regard.tasks.sections import DataSettings
from regard.tasks.settings import changed
from regard.tasks.task import Asked
from regard.train.run import load_run

SMALL = {
    "image.size": 16,
    "image.patch": 4,
    "image.shift": 0,
    "image.flip": False,
    "core.dim": 16,
    "core.hidden": 32,
    "core.layers": 1,
    "core.heads": 2,
    "core.dropout": 0.0,
    "core.block_dropout": 0.0,
    "train.epochs": 8,
    "train.batch": 16,
    "train.rate": 0.005,
}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return captions(tmp_path_factory.mktemp("pictures"), 12)


def settings(table, preset="both", **more):
    return changed(IMAGE_TEXT.settings(preset), {"data": DataSettings(path=str(table)).model_dump(), **SMALL, **more})


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    """A run trained by the command itself."""
    out = tmp_path_factory.mktemp("runs") / "both"
    sets = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    assert main(["train", "image-text", "--data", str(table), "--out", str(out), *sets]) == 0
    return out


def test_a_run_learns_beside_its_baselines(run):
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["scores"][0]["value"] > 0.9
    assert [one["name"] for one in metrics["baselines"]] == [
        "always 'above'",
        "TF-IDF of words + logistic regression on the text",
        "logistic regression on pixels",
    ]


@pytest.mark.parametrize(("preset", "tokens"), [("both", 18), ("text", 2), ("picture", 16)])
def test_each_preset_reads_its_side(table, preset, tokens):
    data = IMAGE_TEXT.prepare(settings(table, preset), None, unheard)
    torch.manual_seed(0)
    model = IMAGE_TEXT.build(data.setup).eval()
    batch = data.train.batch(np.arange(3))
    logits, weights = model(*batch.inputs)
    assert logits.shape == (3, 2)
    assert weights.shape == (3, tokens)
    assert data.train.lengths.tolist() == [tokens] * len(data.train)
    assert batch.tokens == batch.places == 3 * tokens
    pictures, ids, lengths = batch.inputs
    changed_text, _ = model(pictures, ids.flip(0), lengths)
    changed_picture, _ = model(pictures.flip(0), ids, lengths)
    assert torch.equal(changed_text, logits) == (preset == "picture")
    assert torch.equal(changed_picture, logits) == (preset == "text")


def test_the_commands_answer_score_and_explain(run, table, tmp_path, capsys):
    assert main(["predict", str(run), "--data", str(table)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"row", "image", "label", "probability", "probabilities"} == set(lines[0])
    page = tmp_path / "page.html"
    assert main(["explain", str(run), "--data", str(table), "--row", "1", "--html", str(page)]) == 0
    said = capsys.readouterr().out
    assert "The picture in 4 x 4 patches" in said
    assert "Heaviest parts, by " in said
    text = page.read_text()
    assert '<th scope="row">red</th>' in text
    assert '<th scope="row">above</th>' in text
    assert text.count("<figure>") == 1


def test_words_and_patches_are_named_and_their_weights_are_one_in_all(run, table):
    loaded = load_run(run)
    found = loaded.explain(loaded.given(Asked(table, truths=False)), 0)
    assert [unit.name for unit in found.units[-2:]] == ["text: red", "text: above"]
    assert found.units[0].name.startswith("picture: pixels 0-2.5 across")
    assert sum(unit.weight for unit in found.units) == pytest.approx(1, abs=1e-5)
    assert found.picture.patches == slice(0, 16)


def test_the_text_alone_has_no_picture_to_show(table):
    data = IMAGE_TEXT.prepare(settings(table, "text"), None, unheard)
    found = IMAGE_TEXT.explain(IMAGE_TEXT.build(data.setup).eval(), data.test.batch(np.array([0])), data.setup)
    assert found.picture is None
    assert found.kind == "word"
    assert len(found.units) == 2


def test_labels_the_run_does_not_know_are_named(run, table, tmp_path):
    other = captions(tmp_path, 1)
    other.write_text(other.read_text().replace(",below", ",beneath"))
    with pytest.raises(DataError, match="labels unknown to this run: beneath; those it knows: above, below"):
        load_run(run).evaluate(other)


def test_a_column_may_be_called_otherwise(table, tmp_path):
    other = captions(tmp_path, 3)
    other.write_text(other.read_text().replace("image,text,label", "image,name,side", 1))
    columns = {"text": "name", "label": "side"}
    data = IMAGE_TEXT.prepare(settings(other, **{"data.columns": columns}), None, unheard)
    assert data.setup.facts["labels"] == ["above", "below"]


def test_words_are_hidden_in_training_alone(table):
    data = IMAGE_TEXT.prepare(settings(table, "text", **{"core.token_dropout": 0.9}), None, unheard)
    torch.manual_seed(0)
    model = IMAGE_TEXT.build(data.setup)
    pictures, ids, lengths = data.train.batch(np.arange(8)).inputs
    read = [model.front(pictures, ids, lengths).tokens for _ in range(2)]
    assert not torch.equal(*read)
    model.eval()
    read = [model.front(pictures, ids, lengths).tokens for _ in range(2)]
    assert torch.equal(*read)


@pytest.mark.data
def test_the_emoji_of_the_named_set_are_of_ten_classes(needed):
    needed("emoji")
    data = IMAGE_TEXT.prepare(IMAGE_TEXT.settings(), None, unheard)
    assert len(data.setup.facts["labels"]) == 10
    assert len(data.train) + len(data.validation) + len(data.test) == 1911
