"""Explanations on request: those of `regard explain`, in a lane of their own, given up when nobody waits any more."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from starlette.testclient import TestClient

import regard
from regard.app.serving import whys
from regard.app.serving.batcher import Item
from regard.app.serving.kinds import kind_of
from regard.app.serving.limits import Limits
from regard.app.serving.server import Service
from regard.app.serving.why import Why
from regard.app.serving.whys import Whys
from regard.spec.errors import SpecError
from regard.train.run import load_run

TEXT = "A warm and witty script. I loved the ending."


@pytest.fixture(scope="module")
def run(trained):
    return load_run(trained)


@pytest.fixture(scope="module")
def client(run):
    with TestClient(Service(run, Limits()).app) as made:
        yield made


def explained(client, **explain):
    answer = client.post("/answer", json={"texts": [TEXT], "explain": explain})
    assert answer.status_code == 200, answer.text
    return answer.json()["answers"][0]["explained"]


@pytest.mark.parametrize("method", ["occlusion", "gradient x input", "gradient attention", "best"])
def test_an_explanation_is_that_of_regard_explain(client, run, method):
    found = explained(client, method=method)
    own = regard.explain(run.question(run.typed([TEXT]), None, row=0, words=True), method=method, evidence=False)
    assert (found["method"], found["answer"], found["how"]) == (own.method, own.target, own.how)
    assert [unit["name"] for unit in found["units"]] == list(own.units.texts)
    assert [unit["weight"] for unit in found["units"]] == pytest.approx(own.weights.tolist(), abs=1e-6)
    assert "evidence" not in found


def test_the_command_says_the_same(client, trained, regard):
    found = explained(client, method="occlusion", evidence=True)
    code, out, _ = regard("explain", trained, "--text", TEXT, "--method", "occlusion")
    said = " ".join(out.split())
    assert code == 0
    assert len(found["evidence"]["lines"]) >= 3
    for line in found["evidence"]["lines"]:
        assert line in said
    heaviest = max(found["units"], key=lambda unit: unit["weight"])
    assert f"{heaviest['name']} {heaviest['weight']:.3f}" in said


def test_another_answer_may_be_asked_about(client, run):
    other = min(run.labels, key=lambda label: label == explained(client, method="occlusion")["answer"])
    assert explained(client, method="occlusion", target=other)["answer"] == other
    answer = client.post("/answer", json={"texts": [TEXT], "explain": {"target": "nobody"}})
    assert answer.status_code == 422
    assert "nobody" in answer.json()["error"]["what"]


def test_the_answer_beside_it_is_that_of_a_plain_request(client):
    plain = client.post("/answer", json={"texts": [TEXT]}).json()["answers"][0]
    (both,) = client.post("/answer", json={"texts": [TEXT], "explain": {"method": "occlusion"}}).json()["answers"]
    assert both["label"] == plain["label"]
    assert both["probability"] == pytest.approx(plain["probability"], abs=2e-6)


def test_answers_and_explanations_at_the_same_time_leave_each_other_alone(client):
    alone = explained(client, method="gradient attention")
    plain = client.post("/answer", json={"texts": [TEXT]}).json()["answers"]

    def ask(place):
        if place % 3:
            return client.post("/answer", json={"texts": [TEXT]}).json()["answers"] == plain
        return explained(client, method="gradient attention") == alone

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(ask, range(24)))


def test_its_model_is_a_copy(run):
    made = Whys(run, kind_of(run, Limits()), 30)
    made([Item(TEXT, len(TEXT), Why(method="gradient x input").model_dump())])
    assert made._own is not None
    assert all(parameter.grad is None for parameter in run.model.parameters())
    pairs = zip(run.model.parameters(), made._own.model.parameters(), strict=True)
    assert all(mine is not own and torch.equal(mine, own) for mine, own in pairs)


def test_one_that_takes_too_long_is_given_up_and_the_lane_is_free_again(run, monkeypatch):
    """The passes that are asked for take a minute, and each request waits 3 seconds."""

    def long(questions):
        for _ in range(600):
            time.sleep(0.1)
            questions[0].scores(torch.ones(1, len(questions[0].units), dtype=torch.bool))

    monkeypatch.setattr(whys, "best", long)
    with TestClient(Service(run, Limits(seconds=3)).app) as client:
        began = time.monotonic()
        late = client.post("/answer", json={"texts": ["Dull."], "explain": {"method": "best"}})
        assert late.status_code == 504
        assert "quicker method" in late.json()["error"]["do"]
        assert client.post("/answer", json={"texts": [TEXT]}).status_code == 200  # answers are not held up
        while client.post("/answer", json={"texts": ["Dull."], "explain": {"method": "rollout"}}).status_code == 504:
            pass
        assert time.monotonic() - began < 50


def test_a_run_that_is_asked_nothing_says_so(table, monkeypatch):
    def refuse(self, *_, **__):
        raise SpecError("nothing can be asked here; leave explain out")

    monkeypatch.setattr(type(table), "question", refuse)
    with TestClient(Service(table, Limits()).app) as client:
        row = {"height": 26.7, "width": 9.5, "petals": 4}
        answer = client.post("/answer", json={"rows": [row], "explain": {"method": "best"}})
    assert answer.status_code == 422
    assert answer.json()["error"]["do"] == "leave explain out"
