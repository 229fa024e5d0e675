"""Pictures by class, from files through training to answers that say where they looked."""

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from regard.app.cli import main
from regard.lens.explain import explain
from regard.spec.errors import DataError
from regard.tasks.event import unheard
from regard.tasks.image_data import image_front_end
from regard.tasks.images import IMAGES
from regard.tasks.sections import DataSettings, ImageSettings
from regard.tasks.settings import changed
from regard.tasks.task import Asked
from regard.train.run import load_run
from regard.train.training import train_run


def picture(kind, number):
    """A bright square, above ("up") or below ("down") the middle, somewhere; noise around it."""
    draw = np.random.default_rng((number, kind == "up"))
    shown = draw.integers(0, 60, (8, 8), dtype=np.uint8)
    row, column = draw.integers(0, 2) + (0 if kind == "up" else 5), draw.integers(0, 6)
    shown[row : row + 2, column : column + 2] = 255
    return Image.fromarray(shown)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("pictures")
    for kind in ("up", "down"):
        (path / kind).mkdir()
        for number in range(40):
            picture(kind, number).save(path / kind / f"{number:02d}.png")
    return path


@pytest.fixture
def settings(folder):
    return changed(
        IMAGES.settings("digits"),
        {
            "data": DataSettings(path=str(folder)).model_dump(),
            "image.size": 8,
            "image.shift": 0,
            "core.dim": 16,
            "core.hidden": 32,
            "core.layers": 1,
            "train.epochs": 25,
            "train.batch": 16,
            "train.rate": 0.005,
        },
    )


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    """A run trained by the command itself."""
    out = tmp_path_factory.mktemp("runs") / "squares"
    small = ["image.size=8", "image.patch=2", "image.flip=false", "core.dim=16", "core.hidden=32", "core.layers=1"]
    fast = ["train.epochs=25", "train.batch=16", "train.rate=0.005", "image.shift=0"]
    sets = [word for one in (*small, *fast) for word in ("--set", one)]
    assert main(["train", "images", "--data", str(folder), "--out", str(out), *sets]) == 0
    return out


def test_a_run_learns_and_its_facts_are_plain(run):
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["scores"][0]["value"] > 0.9
    assert metrics["scores"][0]["protocol"].startswith("part:test(held-out,seed:0)|rows:16|duplicates:removed|")
    assert [one["name"] for one in metrics["baselines"]] == ["always 'down'", "logistic regression on pixels"]
    assert metrics["cost"]["padding"] == 0
    facts = json.loads((run / "config.json").read_text())["facts"]
    assert facts["labels"] == ["down", "up"]
    assert 0.1 < facts["mean"][0] < 0.2  # noise of up to 60 of 255, and four bright pixels of 64


@pytest.mark.parametrize("stem", ["convolution", "patches"])
def test_a_token_is_as_many_pixels_as_the_settings_say(settings, stem):
    asked = changed(settings, {"image.stem": stem, "image.patch": 4})
    data = IMAGES.prepare(asked, None, unheard)
    front = image_front_end(data.setup).eval()
    tokens = front(*data.train.batch(np.arange(3)).inputs)
    assert tokens.tokens.shape == (3, 4, 16)
    assert data.train.lengths.tolist() == [4] * len(data.train)


def test_pictures_are_standardised_by_the_training_part(settings):
    data = IMAGES.prepare(settings, None, unheard)
    front = image_front_end(data.setup).eval()
    ready = front.pictures(data.train.batch(np.arange(len(data.train))).inputs[0])
    assert ready.mean().item() == pytest.approx(0, abs=1e-4)
    assert ready.std().item() == pytest.approx(1, abs=1e-3)


def test_no_row_is_in_two_parts_and_marks_are_of_those_seen(settings):
    data = IMAGES.prepare(settings, None, unheard)
    parts = [{row.mark for row in part} for part in (data.rows.train, data.rows.validation, data.rows.test)]
    assert sum(map(len, parts)) == 80 == len(set.union(*parts))
    assert sorted(parts[0] | parts[1]) == data.marks.tolist()


def test_a_trained_run_answers_scores_and_explains_other_pictures(run, folder, tmp_path):
    loaded = load_run(run)
    whole = loaded.evaluate(folder)
    assert (whole.rows, whole.seen, whole.processed) == (80, 64, 1)
    (tmp_path / "new").mkdir()
    picture("up", 77).save(tmp_path / "new" / "a.png")
    given = loaded.given(Asked(tmp_path / "new", truths=False))
    (said,) = loaded.told(given)
    assert said["label"] == "up"
    assert sum(said["probabilities"].values()) == pytest.approx(1)
    found = loaded.explain(given, 0)
    assert found.kind == "patch"
    assert found.answer.startswith("up (")
    assert len(found.units) == 16
    assert sum(unit.weight for unit in found.units) == pytest.approx(1, abs=1e-5)
    assert "pixels" in found.heaviest(1)[0].name


def test_the_page_of_an_explanation_shows_the_picture_itself(run, folder, tmp_path):
    page = tmp_path / "page.html"
    assert main(["explain", str(run), "--data", str(folder / "up" / "03.png"), "--html", str(page)]) == 0
    made = page.read_text()
    assert "data:image/png;base64," in made
    assert "row 1, column 1 row 1, column 2" not in made


def test_the_commands_answer_and_explain(run, folder, capsys):
    assert main(["predict", str(run), "--data", str(folder)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 80
    assert {"row", "image", "label", "probability", "probabilities"} == set(lines[0])
    assert main(["explain", str(run), "--data", str(folder), "--row", "3"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("02.png: ")
    assert "patches, dark where the weight is" in said
    assert "taking away the 10% heaviest patches" in said
    assert main(["predict", str(run), "--text", "a picture"]) == 1
    assert "reads no typed text" in capsys.readouterr().err


def test_labels_the_run_does_not_know_are_named(run, tmp_path):
    (tmp_path / "left").mkdir()
    picture("up", 1).save(tmp_path / "left" / "a.png")
    with pytest.raises(DataError, match="labels unknown to this run: left; those it knows: down, up"):
        load_run(run).evaluate(tmp_path)


def test_a_table_with_columns_of_other_names(settings, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = []
    for kind in ("up", "down"):
        for number in range(20):
            content = io.BytesIO()
            picture(kind, number).save(content, "PNG")
            rows.append({"shot": content.getvalue(), "where": kind})
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "shots.parquet")
    asked = changed(
        settings, {"data.path": str(tmp_path / "shots.parquet"), "data.columns": {"image": "shot", "label": "where"}}
    )
    data = IMAGES.prepare(asked, None, unheard)
    assert data.setup.facts["labels"] == ["down", "up"]
    assert data.train.batch(np.array([0])).inputs[0].dtype == torch.uint8


def test_the_same_seed_gives_the_same_weights(settings, tmp_path):
    short = changed(settings, {"train.epochs": 1, "image.shift": 1, "image.flip": True})
    for name in ("a", "b"):
        train_run(short, tmp_path / name)
    assert (tmp_path / "a" / "model.safetensors").read_bytes() == (tmp_path / "b" / "model.safetensors").read_bytes()
    assert ImageSettings().channels == 3


def test_what_is_taken_away_tells_where_the_square_lies(run, folder):
    """The bright square of "up", number 3, lies in some patch of 2 x 2 or in neighbours of it; without the heaviest
    patches the answer falls more than without any others."""
    loaded = load_run(run)
    given = loaded.given(Asked(folder))
    up = loaded.labels.index("up")
    number = next(row for row, name in enumerate(given.shown) if name == "03.png" and given.part.truths[row] == up)
    found = explain(loaded, given, "up", row=number, method="occlusion")
    rows, columns = found.units.grid
    shown = np.asarray(picture("up", 3)) > 100
    side = shown.shape[0] // rows
    patch, _ = found.heaviest(1)[0]
    row, column = divmod(patch, columns)
    near = shown[max(0, (row - 1) * side) : (row + 2) * side, max(0, (column - 1) * side) : (column + 2) * side]
    assert near.any()
    assert float(explain(loaded, given, row=number, method="last attention").weights.sum()) == pytest.approx(1.0)
