import os
import subprocess
import sys
from pathlib import Path

import pytest

from regard.app.cli import main

EXAMPLES = Path(__file__).parents[2] / "examples"
QUICK = ["--epochs", "4", "--set", "train.batch=16", "--set", "core.dim=16", "--set", "core.hidden=16"]


@pytest.fixture
def examples():
    """The folder of small files."""
    return EXAMPLES


@pytest.fixture
def regard(capsys):
    """Runs a command in this process: (exit code, standard output, standard error)."""

    def run(*arguments):
        code = main([str(one) for one in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def environment():
    """This process's environment without what would force colours or a trace, and on one thread."""
    unwanted = ("FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS", "REGARD_TRACEBACK", "COLUMNS", "NO_COLOR", "RANK")
    plain = {name: value for name, value in os.environ.items() if name not in unwanted}
    return plain | {"OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}


@pytest.fixture
def process(tmp_path, environment):
    """Runs a command as a process of its own, in an empty folder, on one thread."""

    def run(*arguments, **more):
        return subprocess.run(
            [sys.executable, "-m", "regard", *map(str, arguments)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            cwd=tmp_path,
            env=environment | more,
            check=False,
            timeout=120,
        )

    return run


@pytest.fixture(scope="session")
def train_command():
    """What was typed to train the small run, without its folder."""
    columns = ["--text", "review", "--label", "verdict"]
    return ["train", "classify", "--data", str(EXAMPLES / "reviews.csv"), *columns, *QUICK]


@pytest.fixture(scope="session")
def trained(train_command, tmp_path_factory):
    """A small run on the example reviews, trained once by the command itself."""
    folder = tmp_path_factory.mktemp("runs") / "reviews"
    assert main([*train_command, "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def one_line():
    """Checks that there is one line, and gives it."""

    def line(text):
        lines = text.splitlines()
        assert len(lines) == 1, text
        return lines[0]

    return line
