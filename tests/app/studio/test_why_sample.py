"""Why, measured on further inputs: rows of a file, each about its own answer."""

import re

import pytest
from tests.app.studio.sentences import chinese

from regard.app.studio.why_sample import spaced

TEXT = "Very good cake, I would come again. The tea was cold."


@pytest.fixture(scope="module")
def rows(root):
    return str(root / "data" / "reviews.csv")


@pytest.fixture(scope="module")
def asked(finished, subjects, rows):
    given = {"sample": rows, "column": "review", "inputs": 6}
    return finished("why", subject=subjects["reviews"], text=TEXT, methods=["occlusion", "gradient x input"], **given)


def test_rows_are_as_far_apart_as_can_be():
    assert spaced(10, 4) == [0, 2, 5, 7]
    assert spaced(3, 4) == [0, 1, 2]


def test_the_evidence_says_on_how_many_inputs(asked):
    """Of six rows two are for choosing the method, four for its evidence."""
    for one in asked["result"]["explanations"]:
        rows = one["evidence"]["rows"]
        sample = [row for row in rows if row["inputs"] == 4]
        assert {row["measure"] for row in sample} == {"comprehensiveness", "sufficiency"}
        assert all(row["low"] <= row["value"] <= row["high"] for row in sample)
        assert any(row["low"] < row["high"] for row in sample)
        assert {row["inputs"] for row in rows} == {1, 4}
        lines = one["evidence"]["lines"]
        assert any(line.startswith("on 4 further inputs") for line in lines)
        (known,) = [line for line in lines if line.startswith("the run was trained or validated on ")]
        assert re.search(r"on (none|\d) of the 4 further inputs", known)
        assert chinese(known) is not None


def test_what_was_done_is_told(asked):
    told = (
        "Measured on 4 rows of reviews.csv, each about its own answer; the best method was chosen on this input and 2"
    )
    assert any(note.startswith(told) for note in asked["result"]["notes"])
    assert "--column text=review --evidence 6 --method occlusion" in asked["command"].splitlines()[0]


def test_a_model_of_a_folder(finished, subjects, rows):
    given = {"sample": rows, "column": "review", "inputs": 2}
    text = "The cat sat on the mat."
    found = finished("why", subject=subjects["gpt2"], text=text, methods=["occlusion"], **given)["result"]
    assert {row["inputs"] for row in found["explanations"][0]["evidence"]["rows"]} == {1, 2}


@pytest.mark.parametrize(
    ("body", "status", "where"),
    [
        ({"sample": "/etc/passwd"}, 403, "sample"),
        ({"column": "review"}, 422, "body"),
        ({"sample": "rows.csv", "inputs": 1}, 422, "inputs"),
    ],
)
def test_what_is_refused_at_once(refused, subjects, body, status, where):
    given = {"subject": subjects["reviews"], "text": TEXT, **body}
    found, _, place = refused("POST", "/api/jobs/why", json=given)
    assert (found, place) == (status, where)


def test_a_column_that_is_not_there(client, subjects, ended, rows):
    given = {"subject": subjects["reviews"], "text": TEXT, "methods": ["occlusion"], "sample": rows, "column": "none"}
    found = ended(client.post("/api/jobs/why", json=given).json()["job"])
    assert found["state"] == "failed"
    assert "none" in found["error"]["what"]
