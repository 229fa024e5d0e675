from pathlib import Path

import pytest

from regard.app.cli import main
from regard.train.run import load_run

EXAMPLES = Path(__file__).parents[3] / "examples"
SMALL = ["--set", "core.dim=8", "--set", "core.hidden=8", "--set", "core.layers=1", "--set", "core.heads=2"]


@pytest.fixture(scope="session")
def train_small(tmp_path_factory):
    """Trains a task for an epoch on a file of the examples, once; gives the run's folder."""
    made = {}

    def train(task, file, *more):
        if task not in made:
            out = tmp_path_factory.mktemp("runs") / task
            words = ["train", task, "--data", str(EXAMPLES / file), "--out", str(out), "--epochs", "1", *SMALL, *more]
            assert main(words) == 0
            made[task] = out
        return made[task]

    return train


@pytest.fixture(scope="session")
def table(train_small):
    """A run on a table of plants, hardly trained."""
    return load_run(train_small("tabular", "plants.csv"))


@pytest.fixture(scope="session")
def pictures(train_small):
    """A run on small pictures, hardly trained."""
    return load_run(train_small("images", "pictures"))
