"""The same rows by `regard predict`, through the server, and through the exported graphs: the same answers."""

import base64
import csv
import json
import runpy

import numpy as np
import pytest
from starlette.testclient import TestClient
from tests.app.serving.conftest import EXAMPLES
from tests.optional_packages import package

from regard.app.serving.limits import Limits
from regard.app.serving.server import Service
from regard.tasks.task import Asked
from regard.train.run import load_run

ROWS = 3


def cells(row):
    """A row of a csv file with its numbers as numbers."""
    return {name: _cell(value) for name, value in row.items()}


def _cell(value):
    try:
        return json.loads(value) if value else None
    except ValueError:
        return value


def rows(file):
    with (EXAMPLES / file).open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def coded(path):
    return base64.b64encode(path.read_bytes()).decode()


def texts(file, column):
    return lambda: [row[column] for row in rows(file)[:ROWS]]


def lines(file, column):
    read = (EXAMPLES / file).read_text("utf-8").splitlines()
    return lambda: [json.loads(line)[column] for line in read[:ROWS]]


def scenes():
    names = [json.loads(line)["image"] for line in (EXAMPLES / "scenes/scenes.jsonl").read_text().splitlines()]
    return [coded(EXAMPLES / "scenes" / name) for name in names[:ROWS]]


# task -> its file, and the same rows as a request's items
CASES = {
    "classify": ("messages.jsonl", lines("messages.jsonl", "message"), {"text": "message", "label": "topic"}),
    "symbols": ("bases.csv", texts("bases.csv", "symbols"), {}),
    "tabular": ("plants.csv", lambda: [row_of_plants(row) for row in rows("plants.csv")[:ROWS]], {}),
    "images": ("pictures", lambda: [coded(one) for one in sorted((EXAMPLES / "pictures/disc").iterdir())[:ROWS]], {}),
    "image-text": ("captions.csv", lambda: [pair(row) for row in rows("captions.csv")[:ROWS]], {}),
    "caption": ("captions.csv", lambda: [pair(row)["picture"] for row in rows("captions.csv")[:ROWS]], {}),
    "speech": ("sounds/speech.csv", lambda: [sound(row) for row in rows("sounds/speech.csv")[:ROWS]], {}),
    "detect": ("scenes", scenes, {}),
    "translate": ("pairs.csv", lambda: [next(iter(row.values())) for row in rows("pairs.csv")[:ROWS]], {}),
    "forecast": ("series.csv", lambda: [[cells(row) for row in rows("series.csv")]], {}),
    "recommend": ("events.csv", lambda: [[cells(row) for row in rows("events.csv")]], {}),
}
# what run.py says in the same words; not forecasts and items (arrays), nor speech (by the decoder alone)
ALIKE = {"tabular": "probabilities", "images": "probabilities", "image-text": "probabilities",
         "symbols": "probabilities", "classify": "probabilities", "translate": "written", "caption": "written",
         "detect": "things"}  # fmt: skip


def row_of_plants(row):
    label = list(row)[-1]
    return {name: value for name, value in cells(row).items() if name != label}


def pair(row):
    return {"picture": coded(EXAMPLES / row["image"]), "text": row["text"]}


def sound(row):
    return coded(EXAMPLES / "sounds" / row["path"])


@pytest.fixture(scope="module", params=CASES)
def case(request, train_small):
    """(task, run, what predict says of the first rows of its file, or of all where they are one table)."""
    file, _, columns = CASES[request.param]
    named = [word for role, name in columns.items() for word in ("--column", f"{role}={name}")]
    run = load_run(train_small(request.param, file, *named))
    said = list(run.told(run.given(Asked(EXAMPLES / file, columns, truths=False))))
    return request.param, run, said if request.param in ("forecast", "recommend") else said[:ROWS]


def near(found, wanted):
    """Equal, numbers within what six digits leave; of JSON values."""
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        for name in wanted:
            near(found[name], wanted[name])
    elif isinstance(wanted, list | tuple):
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            near(one, other)
    elif isinstance(wanted, float):
        assert found == pytest.approx(wanted, rel=1e-4, abs=1e-5)
    else:
        assert found == wanted


def test_the_server_says_what_predict_says(case):
    task, run, wanted = case
    service = Service(run, Limits())
    items = CASES[task][1]()
    with TestClient(service.app) as client:
        answer = client.post("/answer", json={service.kind.field: items})
        assert answer.status_code == 200, answer.text
        answers = answer.json()["answers"]
        near(answers if service.kind.together else answers[0], json.loads(json.dumps(wanted)))
        if service.kind.together:  # one by one they are not padded to each other
            each = [client.post("/answer", json={service.kind.field: [one]}).json()["answers"][0] for one in items]
            near(each, answers)


@pytest.mark.parametrize("case", ALIKE, indirect=True)
def test_the_graphs_say_what_predict_says(case, tmp_path):
    task, run, wanted = case
    for needed in ("onnx", "onnxscript", "onnxruntime"):
        package(needed, "regard[onnx]")
    from regard.app.exporting import export

    file, _, columns = CASES[task]
    export(run, tmp_path / "out", data=EXAMPLES / file, columns=columns)
    program = runpy.run_path(str(tmp_path / "out" / "run.py"))
    (part,) = json.loads((tmp_path / "out" / "config.json").read_text())["parts"]
    with np.load(tmp_path / "out" / "example.npz") as held:
        arrays = {name: held[name] for name in held.files if not name.startswith("expected.")}
    said = program["answer"](part, arrays, 40)
    key = ALIKE[task]
    if task == "detect":  # boxes in fractions here, in the picture's own sizes there
        said, wanted = ([{key: [(t["label"], t["probability"]) for t in one[key]]} for one in each]
                        for each in (said, wanted))  # fmt: skip
    near([one[key] for one in said], [one[key] for one in wanted])
