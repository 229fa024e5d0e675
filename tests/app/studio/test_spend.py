"""Spend: what budgets do to an answer."""

import pytest

TEXT = "The cat sat on the mat. A dog ran to the cat. " * 2


def test_a_model_that_writes(finished, subjects):
    found = finished("spend", subject=subjects["gpt2"], text=TEXT, fractions=[0.5, 0.25, 1], policy="window")
    result = found["result"]
    assert [row["fraction"] for row in result["rows"]] == [0.25, 0.5]
    assert (result["unit"], result["exact"]["seconds_of"]) == ("nats a token", "token")
    for row in result["rows"]:
        assert row["increase"] == pytest.approx(row["loss"] - result["exact"]["loss"], abs=1e-6)
        assert isinstance(row["answer"], str)
        assert row["same"] == (row["answer"].partition(" (")[0] == result["exact"]["answer"].partition(" (")[0])
        assert len(row["heads"]) == 4
    assert "regard compare" in found["command"]
    assert any("Read:" in note for note in result["notes"])


def test_a_model_that_answers_at_once(finished, subjects):
    asked = {"subject": subjects["bert"], "text": TEXT, "tokens": 30}
    found = finished("spend", **asked, fractions=[0.5], policy="window")["result"]
    (row,) = found["rows"]
    assert 0 < row["share"] <= 1
    assert found["exact"]["error"] == 0
    assert row["error"] >= 0
    assert row["seconds_of"] == "pass"
    assert {head["layer"] for head in row["heads"]} == {layer["layer"] for layer in found["exact"]["heads"]}


def test_everything_costs_nothing(finished, subjects):
    asked = {"subject": subjects["bert"], "text": TEXT, "tokens": 30}
    found = finished("spend", **asked, fractions=[1], policy="window")["result"]
    assert found["rows"][0]["error"] < 1e-5


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"fractions": []}, "fractions"),
        ({"fractions": [0]}, "fractions.0"),
        ({"fractions": [1.5]}, "fractions.0"),
        ({"fractions": [0.1] * 9}, "fractions"),
        ({"policy": "tokens"}, "policy"),
        ({"policy": "none"}, "policy"),
    ],
)
def test_what_makes_no_sense(body, where, refused, subjects):
    status, _, place = refused("POST", "/api/jobs/spend", json={"subject": subjects["bert"], "text": TEXT, **body})
    assert (status, place) == (422, where)


def test_too_little_to_read(client, subjects, ended):
    asked = {"subject": subjects["gpt2"], "text": "cat", "policy": "window"}
    found = ended(client.post("/api/jobs/spend", json=asked).json()["job"])
    assert (found["state"], found["error"]["where"]) == ("failed", "text")


def test_it_is_saved(finished, subjects, client):
    asked = {"subject": subjects["bert"], "text": TEXT, "tokens": 30}
    job = finished("spend", **asked, fractions=[0.5], policy="window")["job"]
    assert "Heads of the exact model" in client.get(f"/api/saved/{job}").text
