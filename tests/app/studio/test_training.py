"""Trainings: begun, watched, stopped, gone on with; as the command line would."""

import json
import time

import pytest

SETTINGS = {"train.batch": 16, "core.dim": 16, "core.hidden": 16}
SOON = 240


@pytest.fixture(scope="module")
def body(root):
    return {
        "task": "classify",
        "data": str(root / "data" / "reviews.csv"),
        "columns": {"text": "review", "label": "verdict"},
        "settings": SETTINGS | {"train.epochs": 4},
    }


@pytest.fixture(scope="module")
def trained_here(client, ended, body):
    made = client.post("/api/jobs/train", json=body | {"folder": "mine", "probe": "Very good cake."})
    assert made.status_code == 202, made.text
    return ended(made.json()["job"], SOON)


def test_a_training_from_beginning_to_end(trained_here, client, root):
    assert trained_here["state"] == "done", trained_here["error"]
    result = trained_here["result"]
    metrics = json.loads((root / "mine" / "metrics.json").read_text(encoding="utf-8"))
    assert result["scores"] == metrics["scores"]
    assert {point["event"] for point in result["points"]} >= {"begin", "epoch", "end"}
    runs = {one["name"]: one for one in client.get("/api/runs").json()}
    assert runs["mine"]["state"] == "done"
    assert runs["mine"]["score"]["value"] == result["scores"][0]["value"]
    assert runs["mine"]["id"] == result["run"]
    assert "loss by step" in client.get(f"/api/saved/{trained_here['job']}").text


def test_the_same_weights_as_from_the_command_line(trained_here, root, trained):
    """The fixture `trained` typed the same task, data and settings."""
    here, there = (folder / "model.safetensors" for folder in (root / "mine", trained))
    assert here.read_bytes() == there.read_bytes()


def test_attention_as_it_changes(trained_here):
    rows = [point for point in trained_here["result"]["points"] if point["event"] == "attention"]
    for row in rows:  # how many checkpoints are seen depends on how fast they come
        assert len(row["received"]) == len(row["units"])
        assert row["heads"][0]["breadth"] >= 1


def test_the_log_and_what_would_train_it_again(trained_here, client):
    found = client.get(f"/api/runs/{trained_here['result']['run']}/log").json()
    assert found["points"][0]["event"] == "begin"
    assert found["metrics"]["scores"] == trained_here["result"]["scores"]
    for part in ("regard train classify", "--column text=review", "train.epochs=4", "core.hidden=16"):
        assert part in found["command"]


def test_stopped_and_gone_on_with(client, ended, body, root):
    long = body | {"folder": "long", "settings": body["settings"] | {"train.epochs": 40, "train.patience": None}}
    first = client.post("/api/jobs/train", json=long).json()["job"]
    until = time.monotonic() + SOON
    log = root / "long" / "log.jsonl"
    while not (log.is_file() and '"event": "epoch"' in log.read_text("utf-8")):
        found = client.get(f"/api/jobs/{first}").json()
        assert found["state"] in ("waiting", "running"), found
        assert time.monotonic() < until
        time.sleep(0.05)
    again = client.post("/api/jobs/train", json=long)
    assert (again.status_code, "being trained already" in again.json()["error"]["what"]) == (409, True)
    client.delete(f"/api/jobs/{first}")
    assert ended(first, SOON)["state"] == "cancelled"
    assert not (root / "long" / "metrics.json").exists()
    assert next(one for one in client.get("/api/runs").json() if one["name"] == "long")["state"] == "begun"
    second = client.post("/api/jobs/train", json=long).json()["job"]
    while '"event": "resume"' not in log.read_text("utf-8"):
        assert client.get(f"/api/jobs/{second}").json()["state"] in ("waiting", "running")
        assert time.monotonic() < until + SOON
        time.sleep(0.05)
    client.delete(f"/api/jobs/{second}")
    assert ended(second, SOON)["state"] == "cancelled"


@pytest.mark.parametrize(
    ("change", "status", "where"),
    [
        ({"task": "none"}, 422, ""),
        ({"preset": "none"}, 422, ""),
        ({"folder": "../out"}, 422, "folder"),
        ({"folder": "/tmp/elsewhere"}, 403, "folder"),
        ({"folder": ".hidden"}, 422, "folder"),
        ({"data": "/etc/passwd"}, 403, "data"),
        ({"data": "reviews.csv"}, 422, "data"),
        ({"settings": {"train.epochs": 0}}, 422, ""),
        ({"settings": {"train.epoch": 1}}, 422, ""),
        ({"settings": {"data.test_path": "/etc/passwd"}}, 403, "settings.data.test_path"),
        ({"settings": {"train.init": "/etc"}}, 403, "settings.train.init"),
        ({"settings": {"data.path": "/etc/passwd"}}, 403, "settings.data.path"),
        ({"settings": {"train.rate": {"a": 1}}}, 422, "body"),
        ({"settings": {"data.source": "nowhere"}}, 422, ""),
        ({"columns": {"texts": "review"}}, 422, ""),
        ({"probes": "a"}, 422, "probes"),
    ],
)
def test_what_cannot_be_trained(change, status, where, body, refused):
    found = refused("POST", "/api/jobs/train", json=body | {"folder": "other"} | change)
    assert (found[0], found[2]) == (status, where)


def test_a_folder_of_other_things(client, ended, body, root):
    found = ended(client.post("/api/jobs/train", json=body | {"folder": str(root / "data")}).json()["job"], SOON)
    assert found["state"] == "failed"
    assert "holds other things" in found["error"]["what"]


def test_tasks_are_listed_with_their_settings(client):
    found = {one["name"]: one for one in client.get("/api/tasks").json()}
    assert found["classify"]["columns"] == ["text", "label"]
    assert found["images"]["input"] == "picture"
    settings = {one["path"]: one["value"] for one in found["sentiment"]["settings"]}
    assert settings["train.epochs"] >= 1
    assert not any("path" in name for name in settings)


def test_a_damaged_run_is_told_as_such(client, root):
    folder = root / "broken"
    folder.mkdir()
    (folder / "config.json").write_text('{"asked": 1, "settings": 2, "regard": "x"}', encoding="utf-8")
    found = next(one for one in client.get("/api/runs").json() if one["name"] == "broken")
    assert found["state"] == "damaged"
    assert client.get(f"/api/runs/{found['id']}/log").status_code == 409
    (folder / "config.json").unlink()
    folder.rmdir()
