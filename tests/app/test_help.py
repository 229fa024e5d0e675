import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import regard
from regard.app.root import app, command
from regard.tasks.catalogue import TASKS

COMMANDS = [
    "demo",
    "train",
    "studio",
    "evaluate",
    "predict",
    "explain",
    "export",
    "serve",
    "observe",
    "check",
    "tasks",
    "plan",
    "walk",
    "bench",
    "profile",
    "allocate",
    "compare",
    "calibrate",
    "data",
]


def said(*arguments):
    result = CliRunner().invoke(app, list(arguments), terminal_width=100)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_commands_there_are():
    assert list(command().commands) == COMMANDS


def test_every_command_is_listed_with_a_whole_sentence():
    listed = said("--help").split("Commands:")[1]
    for name in COMMANDS:
        (line,) = [line for line in listed.splitlines() if line.strip().startswith(f"{name} ")]
        assert line.endswith("."), line
        assert not line.endswith("..."), line


@pytest.mark.parametrize("name", [*[name for name in COMMANDS if name != "data"], "data list", "data get"])
def test_help_has_an_example_of_the_command(name):
    text = said(*name.split(), "--help")
    assert "Example" in text
    assert f"\n    regard {name}" in text
    assert "\x1b" not in text


def test_the_exit_codes_are_explained():
    assert "0 done, 1 the work failed, 2 what was typed makes no sense, 130" in " ".join(said("--help").split())


def test_the_tasks_in_the_help_come_from_the_task_table():
    text = " ".join(said("train", "--help").split())
    for task in TASKS:
        assert f"{task.name} {task.about}" in text
        assert task.example in text


def test_help_and_version_without_a_command(regard):
    code, out, err = regard()
    assert (code, err) == (0, "")
    assert out.startswith("Usage: regard ")
    assert regard("data")[:2] == (0, regard("data", "--help")[1])
    assert regard("--version") == (0, "regard 0.1.0\n", "")


def test_help_loads_nothing_heavy():
    """With a `regard` that loads nothing itself, so that only what the commands load is looked at."""
    code = (
        "import sys, types; package = types.ModuleType('regard'); package.__path__ = [sys.argv[1]]\n"
        "sys.modules['regard'] = package\n"
        "from regard.app.cli import main\n"
        "assert main(['--help']) == 0\n"
        "heavy = {'torch', 'numpy', 'pydantic', 'accelerate', 'tokenizers', 'sklearn', 'pyarrow'}\n"
        "sys.exit(','.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(Path(regard.__file__).parent)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
