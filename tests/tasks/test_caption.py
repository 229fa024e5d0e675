"""Pictures and what they show in words: from files through training to words that say where they looked."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from tests.tasks.picture_files import captions, shown

from regard.app.cli import main
from regard.spec.errors import DataError, RunError, SpecError
from regard.tasks.caption import CAPTION
from regard.tasks.event import unheard
from regard.tasks.sections import DataSettings
from regard.tasks.settings import changed
from regard.tasks.task import Asked
from regard.train.run import load_run
from regard.train.training import train_run

SMALL = {
    "image.size": 16,
    "image.patch": 4,
    "image.shift": 0,
    "tokens.kind": "characters",
    "core.dim": 32,
    "core.hidden": 64,
    "core.layers": 1,
    "core.heads": 2,
    "core.dropout": 0.0,
    "core.block_dropout": 0.0,
    "train.epochs": 20,
    "train.batch": 8,
    "train.rate": 0.005,
    "train.label_smoothing": 0.0,
}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return captions(tmp_path_factory.mktemp("pictures"), 15)


def settings(table, **more):
    return changed(CAPTION.settings(), {"data": DataSettings(path=str(table)).model_dump(), **SMALL, **more})


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    """A run trained by the command itself."""
    out = tmp_path_factory.mktemp("runs") / "squares"
    sets = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    assert main(["train", "caption", "--data", str(table), "--out", str(out), *sets]) == 0
    return out


def test_a_run_learns_to_say_what_it_sees(run):
    metrics = json.loads((run / "metrics.json").read_text())
    scores = {one["name"]: one["value"] for one in metrics["scores"]}
    assert list(scores) == ["chrF", "exact match", "token F1"]
    assert scores["exact match"] > 0.8
    names = [one["name"] for one in metrics["baselines"]]
    assert names[0].startswith("always '")
    assert names[1] == "the caption of the nearest picture"


def test_the_commands_answer_score_and_explain(run, table, tmp_path, capsys):
    assert main(["predict", str(run), "--data", str(table)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 90
    assert {"row", "image", "written", "mean_log_probability", "ended"} == set(lines[0])
    assert main(["evaluate", str(run), "--data", str(table)]) == 0
    assert "chrF" in capsys.readouterr().out
    page = tmp_path / "page.html"
    assert main(["explain", str(run), "--data", str(table), "--row", "1", "--html", str(page)]) == 0
    said = capsys.readouterr().out
    assert "The picture in 4 x 4 patches" in said
    assert said.count("│") == 8  # four rows of patches, each between two bars
    assert "Where each word looked" in said
    text, written = page.read_text(), len(lines[0]["written"].split())
    assert text.count("<figure>") == 1 + written  # the whole, and each word
    assert text.count('<img src="data:image/png;base64,') == 1 + written


def test_pictures_without_words_are_answered_from_a_folder_too(run, tmp_path):
    shown("red", "above", 99).save(tmp_path / "a.png")
    loaded = load_run(run)
    given = loaded.given(Asked(tmp_path, truths=False))
    assert given.shown == ("a.png",)
    (said,) = loaded.told(given)
    assert said["written"].split()[-1] in ("above", "below")
    found = loaded.explain(given, 0)
    assert found.alignment.kind == "word"
    assert len(found.units) == 16
    assert [sum(row) for row in found.alignment.weights] == pytest.approx([1] * len(found.alignment.written), abs=1e-4)
    assert found.units[0].name == "pixels 0-2.5 across, 0-2.5 down"
    assert (found.picture.rows, found.picture.columns) == (4, 4)


def test_bad_pictures_are_named_by_their_rows(table, tmp_path):
    bad = captions(tmp_path, 3)
    (tmp_path / "red-above-00.png").write_bytes((tmp_path / "red-above-00.png").read_bytes()[:60])
    (tmp_path / "red-below-00.png").unlink()
    with pytest.raises(DataError) as caught:
        CAPTION.prepare(settings(bad), None, unheard)
    said = str(caught.value)
    assert "2 of 18 rows cannot be used" in said
    assert "row 1 (line 2): red-above-00.png is cut short or broken" in said
    assert "row 2 (line 3): there is no file red-below-00.png" in said


def test_several_texts_of_one_picture_stay_in_one_part_and_hang_together(tmp_path):
    path = captions(tmp_path, 4)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, *(line.replace(",", ",a square ", 1) for line in lines[1:])]) + "\n")
    data = CAPTION.prepare(settings(path), None, unheard)
    parts = [{row.image.mark for row in part} for part in (data.rows.train, data.rows.validation, data.rows.test)]
    assert sum(map(len, parts)) == 24 == len(set.union(*parts))
    assert len(data.groups) == len(data.rows.test) == 2 * len(set(data.groups))


def test_what_is_encoded_is_what_the_files_hold(table):
    data = CAPTION.prepare(settings(table), None, unheard)
    batch = data.train.batch(np.array([0]))
    row = data.rows.train[0]
    assert torch.equal(batch.given[0][0].permute(1, 2, 0), torch.tensor(np.asarray(Image.open(row.image.place.path))))
    assert data.train.truths[0] == row.text
    assert int(batch.written[0]) == len(row.text) + 1
    assert data.train.read.tolist() == [16] * len(data.train)


def test_words_alone_drop_spaces_and_are_refused(table):
    with pytest.raises(SpecError, match="written in characters or in subwords"):
        CAPTION.prepare(settings(table, **{"tokens.kind": "words"}), None, unheard)


def test_a_run_goes_on_with_the_same_pictures_only(tmp_path):
    path = captions(tmp_path / "mine", 3)
    short = settings(path, **{"train.epochs": 1})
    train_run(short, tmp_path / "a")
    shown("blue", "above", 50).save(tmp_path / "mine" / "red-above-00.png")
    with pytest.raises(RunError, match="other data"):
        train_run(short, tmp_path / "a")


@pytest.mark.data
def test_the_emoji_of_the_named_set_are_parted(needed):
    needed("emoji")
    data = CAPTION.prepare(CAPTION.settings(), None, unheard)
    assert (len(data.train), len(data.validation), len(data.test)) == (1338, 191, 382)
    assert data.train.batch(np.arange(2)).given[0].shape == (2, 3, 32, 32)
    assert len(set(data.marks.tolist())) == 1517  # a dozen pictures have two names
