import shutil
import time
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.model_folders import saved

from regard.app.studio.limits import Limits
from regard.app.studio.server import application
from regard.app.studio.studio import Studio

PORT = 8000
HERE = f"http://127.0.0.1:{PORT}"
EXAMPLES = Path(__file__).parents[3] / "examples"
TEXT = "The cat sat on the mat 😀. A dog ran to the cat."


@pytest.fixture(scope="session")
def root(tmp_path_factory, trained):
    """A folder with tiny models, a run, and files."""
    folder = tmp_path_factory.mktemp("studio") / "mine"
    for name in ("bert", "gpt2", "bart", "vit"):
        saved(name, folder / "models" / name)
    shutil.copytree(trained, folder / "runs" / "reviews")
    shutil.copytree(EXAMPLES, folder / "data")
    (folder / "story.txt").write_text(TEXT, encoding="utf-8")
    (folder.parent / "secret.txt").write_text("not yours", encoding="utf-8")
    (folder / "out").symlink_to(folder.parent)
    return folder


@pytest.fixture(scope="session")
def studio(root):
    made = Studio.of([root], limits=Limits(looks_bytes=200_000_000, models=4))
    yield made
    made.close()


@pytest.fixture(scope="session")
def client(studio):
    """Whoever has the token."""
    return TestClient(
        application(studio, PORT),
        base_url=HERE,
        headers={"X-Regard-Token": studio.token},
        raise_server_exceptions=False,
    )


@pytest.fixture(scope="session")
def subjects(client):
    """name -> id"""
    return {one["name"]: one["id"] for one in client.get("/api/subjects").json()}


@pytest.fixture(scope="session")
def ended(client):
    """Waits for a job, and gives it."""

    def wait(job, seconds=60):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = client.get(f"/api/jobs/{job}").json()
            if found["state"] in ("done", "failed", "cancelled"):
                return found
            time.sleep(0.02)
        raise AssertionError(f"{found['state']} after {seconds} s: {found['line']}")

    return wait


@pytest.fixture(scope="session")
def finished(client, ended):
    """Does a job, and gives it done."""

    def run(kind, **body):
        made = client.post(f"/api/jobs/{kind}", json=body)
        assert made.status_code == 202, made.text
        found = ended(made.json()["job"])
        assert found["state"] == "done", found["error"]
        return found

    return run


@pytest.fixture
def refused(client):
    """What a refused request says: (status, what, where)."""

    def ask(method, path, **more):
        answer = client.request(method, path, **more)
        assert answer.headers["content-type"] == "application/json"
        error = answer.json()["error"]
        assert set(error) == {"what", "where", "do"}
        assert error["what"]
        return answer.status_code, error["what"], error["where"]

    return ask
