"""kill -9 at any moment, then the same command: the same numbers as without. Real processes, real SIGKILL."""

import json
import signal
import subprocess
import sys

import pytest

from regard.train.training import train_run

# Trains in a process of its own, which kills itself at the moment it is told: a step, the n-th sync of a file (in the
# middle of writing it), or the first note that contains some words.
SCRIPT = """
import json, os, signal, sys
import torch
from regard.tasks.event import Note, Progress
from regard.tasks.settings import settings_from
from regard.train.training import train_run

torch.set_num_threads(1)
values, folder, moment, at = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
kill = lambda: os.kill(os.getpid(), signal.SIGKILL)
syncs = [0]

def sync(file, real=os.fsync):
    syncs[0] += 1
    if moment == "sync" and syncs[0] == int(at):
        kill()
    real(file)

def listen(event):
    if moment == "step" and isinstance(event, Progress) and event.step == int(at):
        kill()
    if moment == "note" and isinstance(event, Note) and at in event.text:
        kill()

os.fsync = sync
train_run(settings_from(values), folder, listen=listen)
"""

# (moment, at, seconds between checkpoints)
KILLS = [
    ("sync", "2", 0),  # while the folder is begun, before config.json
    ("step", "4", 1e9),  # before the first checkpoint
    ("sync", "17", 0),  # in the middle of writing a checkpoint
    ("step", "23", 1e9),  # steps after the last checkpoint
    ("note", "fitting the baselines", 0),  # when training is done and the results are not written
]


def kill(settings, folder, moment, at):
    command = [sys.executable, "-c", SCRIPT, json.dumps(settings.model_dump()), str(folder), moment, at]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def log_of(folder):
    """The log without how long things took, and without the lines that say it went on."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    timed = {"seconds", "tokens_a_second"}
    return [
        {key: value for key, value in line.items() if key not in timed} for line in lines if line["event"] != "resume"
    ]


@pytest.mark.slow
@pytest.mark.parametrize("core", ["bilstm", "transformer"])
def test_a_run_killed_five_times_ends_with_the_numbers_of_one_that_was_not(tiny, tmp_path, core):
    expected = train_run(tiny(core), tmp_path / "whole")
    folder = tmp_path / "killed"
    for moment, at, seconds in KILLS:
        kill(tiny(core, train__checkpoint_seconds=seconds), folder, moment, at)
        assert not (folder / "metrics.json").exists()
    result = train_run(tiny(core), folder)
    assert result.status == "begun"
    assert result.scores == expected.scores
    assert result.baselines == expected.baselines
    assert result.training == expected.training
    assert result.cost["tokens"] == expected.cost["tokens"]
    for name in ("model.safetensors", "vocab/tokenizer.json", "seen.safetensors"):
        assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert log_of(folder) == log_of(tmp_path / "whole")
    assert not list(folder.rglob("*.partial"))


@pytest.mark.slow
def test_a_disk_that_takes_no_more_bytes_ends_in_one_line(tiny, tmp_path):
    """A real limit of the operating system on the size of files, where this system has one."""
    resource = pytest.importorskip("resource")
    expected = train_run(tiny(), tmp_path / "whole")

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))  # the vocabulary fits, a checkpoint does not

    command = [sys.executable, "-c", SCRIPT, json.dumps(tiny().model_dump()), str(tmp_path / "run"), "never", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=limit)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("regard.spec.errors.RunError")
    assert "files may not be so large" in last
    assert "make room, then type the same command" in last
    assert not list((tmp_path / "run").rglob("*.partial"))
    assert train_run(tiny(), tmp_path / "run").scores == expected.scores
