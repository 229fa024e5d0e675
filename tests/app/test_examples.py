"""The small files can be used as they are, and the commands of their README run."""

import re
import shlex
from pathlib import Path

import pytest

from regard.tasks.catalogue import TASKS
from regard.tasks.check import check_file

FILES = [("reviews.csv", "review", "verdict"), ("messages.jsonl", "message", "topic"), ("chinese.csv", "评论", "态度")]


@pytest.mark.parametrize(("name", "text", "label"), FILES)
def test_the_files_are_clean(name, text, label, examples):
    report = check_file(examples / name, text=text, label=label)
    assert report.usable
    assert (report.refused, report.duplicates, report.contradictions, report.warnings) == ((), 0, (), ())
    counts = [count for _, count in report.labels]
    assert min(counts) == max(counts)


def readme_commands():
    text = (Path(__file__).parents[2] / "examples" / "README.md").read_text(encoding="utf-8")
    return re.findall(r"`(regard [^`]+)`", text)


@pytest.mark.parametrize("command", readme_commands())
def test_the_readmes_short_commands_run(command, examples, regard, monkeypatch, tmp_path):
    """Training is cut to an epoch: that it begins and ends is seen, not that it learns."""
    (tmp_path / "examples").symlink_to(examples)
    monkeypatch.chdir(tmp_path)
    _, verb, *rest = shlex.split(command)
    if verb == "train" and rest[0] not in {task.name for task in TASKS}:
        pytest.skip(f"{rest[0]} is not a task yet")
    code, _, err = regard(verb, *rest, *(("--epochs", "1") if verb == "train" else ()))
    assert (code, err) == (0, "")


def test_the_readmes_training_learns(examples, regard, monkeypatch, tmp_path):
    text = (examples / "README.md").read_text(encoding="utf-8")
    train, explain = (shlex.split(line)[1:] for line in re.findall(r"^    (regard .*)$", text, re.MULTILINE))
    (tmp_path / "examples").symlink_to(examples)
    monkeypatch.chdir(tmp_path)
    code, out, _ = regard(*train)
    assert code == 0
    score = float(re.search(r"accuracy, this model +(\S+)", out).group(1))
    assert score > 0.6
    code, out, _ = regard(*explain)
    assert code == 0
    assert out.startswith("good ")
    assert (tmp_path / "page.html").is_file()
