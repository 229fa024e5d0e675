"""What is said of a model beside a baseline: it beats it, is ahead of it, is behind it, or cannot be told apart."""

import json
import shutil
from dataclasses import dataclass, replace

import pytest

from regard.app.scores import _verdict
from regard.tasks.scores.metric import Metric
from regard.train.result import BaselineResult

SCORE = Metric("accuracy", 0.8, 0.75, 0.85, 100, "p")


@dataclass
class Beside:
    theirs: tuple[float, float, float]
    gain: tuple[float, float]

    def said(self) -> str:
        value, low, high = self.theirs
        gain = replace(SCORE, name="accuracy gain", value=sum(self.gain) / 2, low=self.gain[0], high=self.gain[1])
        return _verdict(SCORE, BaselineResult("it", (replace(SCORE, value=value, low=low, high=high),), gain))


@pytest.mark.parametrize(
    ("beside", "said"),
    [
        (Beside((0.6, 0.55, 0.65), (0.15, 0.25)), "beats it: intervals apart"),
        (
            Beside((0.78, 0.73, 0.83), (0.01, 0.03)),
            "is ahead of it on the same rows, though the intervals are not apart",
        ),
        (Beside((0.79, 0.74, 0.84), (-0.01, 0.03)), "is not told apart from it"),
        (Beside((0.82, 0.77, 0.87), (-0.03, -0.01)), "is behind it: on the same rows the difference is below 0"),
    ],
)
def test_the_verdict(beside: Beside, said: str) -> None:
    assert beside.said() == said


def test_metrics_that_lack_an_entry_are_one_line(regard, train_command, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "run")
    path = tmp_path / "run" / "metrics.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    del values["training"]
    path.write_text(json.dumps(values), encoding="utf-8")
    code, _, said = regard(*train_command, "--out", tmp_path / "run")
    line = next(one for one in said.splitlines() if one.startswith("error: "))
    assert code == 1
    assert line.startswith(f"error: {path} lacks 'training'; the weights are not touched by that")
    assert "unexpected" not in said
