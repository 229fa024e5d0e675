"""What a run came to, read from its `metrics.json`; one that is not whole is told as such."""

import json

import pytest

from regard.spec.errors import CheckpointError
from regard.train.folder import RunFolder, missing
from regard.train.result import lacking, read_result

SCORE = {"name": "accuracy", "value": 0.9, "low": 0.8, "high": 0.95, "rows": 50, "protocol": "part:test"}
WRITTEN = {
    "task": "classify",
    "scores": [SCORE],
    "baselines": [{"name": "majority", "scores": [SCORE | {"value": 0.5}], "gain": SCORE | {"value": 0.4}}],
    "attention": {"breadth": None, "focus": None},
    "training": {"epochs": 3},
    "cost": {},
}


@pytest.fixture
def run(tmp_path):
    return RunFolder(tmp_path)


def _written(run, **changes):
    run.metrics.write_text(json.dumps(WRITTEN | changes), encoding="utf-8")
    return run


def test_what_is_written_is_read(run):
    found = read_result(_written(run))
    assert (found.scores[0].value, found.scores[0].rows, found.scores[0].better) == (0.9, 50, "higher")
    assert (found.baselines[0].name, found.baselines[0].gain.value) == ("majority", 0.4)
    assert (found.attention, found.training, found.cost) == ({"breadth": None, "focus": None}, {"epochs": 3}, {})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scores": []}, "holds no usable 'scores' ("),
        ({"scores": [{"name": "accuracy"}]}, "lacks 'value' in scores.0;"),
        ({"scores": [SCORE | {"value": "much"}]}, "holds no usable 'scores.0.value' ("),
        ({"scores": [SCORE | {"better": "upwards"}]}, "holds no usable 'scores.0.better' ("),
        ({"baselines": [{"name": "majority", "scores": [SCORE]}]}, "lacks 'gain' in baselines.0;"),
        ({"attention": {"breadth": 1.0}}, "holds no usable 'attention' (it lacks 'focus');"),
        ({"cost": None}, "holds no usable 'cost' ("),
    ],
)
def test_what_is_not_whole_is_told_with_what_to_do(run, changes, words):
    with pytest.raises(CheckpointError) as told:
        read_result(_written(run, **changes))
    said = str(told.value)
    assert said.startswith(f"{run.metrics} {words}")
    assert said.endswith(f"regard evaluate {run.path} --data FILE, or delete {run.path} and train again")
    assert "Value error" not in said


def test_other_json(run):
    run.metrics.write_text("[1]", encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"metrics.json holds no JSON object; the weights"):
        read_result(run)
    assert lacking({}) == "lacks 'scores'"
    assert lacking(WRITTEN) is None


def test_the_first_path_that_is_missing():
    values = {"data": {"digest": "abc"}, "settings": 3}
    assert missing(values, "data", "data.digest", "settings") is None
    assert missing(values, "data.digest", "data.path", "asked") == "data.path"
    assert missing(values, "settings.task") == "settings.task"
