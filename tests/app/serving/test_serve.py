"""`regard serve` as a process: the answers of predict, strict requests, figures, and an end that loses nothing."""

import base64
import contextlib
import http.client
import json
import random
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from benchmarks.serving_client import malformed
from tests.optional_packages import package

TEXTS = ["A warm and witty script. I loved the ending, great fun.", "Dull.", "Long, slow and not much in it."]


class Served:
    """A server of a run, as a process."""

    def __init__(self, run, environment, *options):
        words = [sys.executable, "-m", "regard", "serve", str(run), "--port", "0", *options]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment)
        self.said = self.process.stdout.readline()
        self.port = int(re.search(r":(\d+)/answer", self.said)[1])

    def ask(self, method, path, body=None, **headers):
        """(status, headers, body) of one request."""
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request(method, path, content, {"Content-Type": "application/json"} | headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()

    def answers(self, body):
        status, _, said = self.ask("POST", "/answer", body)
        assert status == 200, said
        return json.loads(said)["answers"]

    def end(self):
        """SIGTERM; what it says last."""
        self.process.send_signal(signal.SIGTERM)
        said, _ = self.process.communicate(timeout=60)
        assert self.process.returncode == 0
        return said


@pytest.fixture(scope="module")
def plain_environment():
    import os

    return os.environ | {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def served(trained, plain_environment):
    for needed in ("fastapi", "uvicorn", "prometheus_client"):
        package(needed, "regard[serve]")
    server = Served(trained, plain_environment)
    yield server
    server.end()


def test_the_answers_are_those_of_predict(served, trained, regard):
    _, out, _ = regard("predict", trained, *[word for text in TEXTS for word in ("--text", text)])
    wanted = [json.loads(line) for line in out.splitlines()]
    for found, own in zip(served.answers({"texts": TEXTS}), wanted, strict=True):
        assert found["label"] == own["label"]
        assert found["probability"] == pytest.approx(own["probability"], abs=2e-6)


def test_what_was_looked_at_comes_on_request(served, trained, regard):
    (plain,) = served.answers({"texts": TEXTS[:1]})
    assert "explained" not in plain
    (asked,) = served.answers({"texts": TEXTS[:1], "explain": {"method": "occlusion"}})
    assert asked["explained"]["method"] == "occlusion"
    (answer,) = served.answers({"texts": TEXTS[:1], "explain": True})
    units = answer["explained"]["units"]
    assert [unit["name"] for unit in units][:3] == ["a", "warm", "and"]
    assert sum(unit["weight"] for unit in units) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("body", "status", "where"),
    [
        (b"{", 400, "body"),
        ({"texts": []}, 422, "texts"),
        ({"texts": ["  "]}, 422, "texts.0"),
        ({"texts": [1]}, 422, "texts.0"),
        ({"texts": ["a"], "colour": 1}, 422, "colour"),
        ({"texts": ["a"], "explain": "yes"}, 422, "explain"),
        ({"texts": ["a" * 20_001]}, 422, "texts.0"),
        ({"texts": ["a"] * 65}, 422, "texts"),
        (b"a" * 4_000_001, 413, "body"),
        (b'{"texts": ["\\ud800"]}', 422, "texts.0"),
    ],
)
def test_what_is_malformed_is_refused_and_named(served, body, status, where):
    found, _, said = served.ask("POST", "/answer", body)
    assert (found, json.loads(said)["error"]["where"]) == (status, where)


def test_no_malformed_request_is_answered_with_a_fault(served):
    draw = random.Random(1)
    for number in range(120):
        body, headers = malformed(draw, number)
        status, _, said = served.ask("POST", "/answer", body, **headers)
        assert 400 <= status < 500, (number, status, said[:200])
    assert len(served.answers({"texts": ["It still answers."]})) == 1


def test_addresses_there_are_and_are_not(served):
    assert json.loads(served.ask("GET", "/health")[2]) == {"status": "alive"}
    assert json.loads(served.ask("GET", "/ready")[2])["status"] == "ready"
    assert served.ask("GET", "/nothing")[0] == 404
    assert served.ask("GET", "/answer")[0] == 405


def test_strangers_are_refused_in_the_shape_that_all_errors_have(served):
    for header, value in (("Host", "elsewhere.example"), ("Origin", "https://elsewhere.example")):
        status, headers, said = served.ask("POST", "/answer", {"texts": ["a"]}, **{header: value})
        assert (status, headers["content-type"]) == (403, "application/json")
        assert json.loads(said)["error"]["where"] == header


def test_the_docs_ask_nothing_of_a_network(served):
    _, headers, page = served.ask("GET", "/docs")
    assert b"<script" not in page
    assert not re.search(rb"(src|href)=.?https?:", page)
    assert headers["content-security-policy"].startswith("default-src 'none'")
    schema = json.loads(served.ask("GET", "/openapi.json")[2])
    assert schema["components"]["schemas"]["Request"]["additionalProperties"] is False


def test_figures_count_what_was_answered(served):
    def count(status=200, route="/answer"):
        text = served.ask("GET", "/metrics")[2].decode()
        found = re.search(rf'regard_requests_total\{{route="{route}",status="{status}"\}} (\d+)', text)
        return int(found[1]) if found else 0

    before = count()
    served.answers({"texts": ["One."]})
    assert count() == before + 1
    before, others = count(403), count(403, "other")
    served.ask("POST", "/answer", {"texts": ["One."]}, Host="elsewhere.example")
    served.ask("GET", "/made-up-by-a-stranger", Origin="https://elsewhere.example")
    assert (count(403), count(403, "other")) == (before + 1, others + 1)
    served.ask("GET", "/made-up-by-a-stranger")
    assert "made-up" not in served.ask("GET", "/metrics")[2].decode()


def test_a_full_queue_is_told_with_when_to_come_again(trained, plain_environment):
    server = Served(trained, plain_environment, "--batch", "1", "--queue", "64")
    try:
        long = {"texts": [" ".join(TEXTS) * 20] * 64, "explain": True}
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: server.ask("POST", "/answer", long), range(8)))
        statuses = [status for status, _, _ in found]
        assert set(statuses) == {200, 429}
        refused = next(headers for status, headers, _ in found if status == 429)
        assert int(refused["retry-after"]) >= 1
    finally:
        server.end()


def test_a_stop_under_load_loses_no_accepted_request(trained, plain_environment):
    server, reached, stop = Served(trained, plain_environment), [], threading.Event()

    def ask():
        # what is refused gives no answer at all, so that nothing was accepted
        with contextlib.suppress(OSError, http.client.HTTPException):
            while not stop.is_set():
                reached.append(server.ask("POST", "/answer", {"texts": TEXTS})[0])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    while len(reached) < 20:
        threading.Event().wait(0.01)
    said = server.end()
    stop.set()
    for thread in threads:
        thread.join()
    accepted, answered = (int(one) for one in re.findall(r"(\d+) (?:requests accepted|answered)", said))
    assert accepted == answered == len(reached)
    assert set(reached) <= {200, 503}


def test_a_run_that_answers_nothing_is_refused_before_it_listens(examples, tmp_path, regard, one_line):
    quick = ["--epochs", "1", "--set", "core.dim=8", "--set", "core.hidden=8", "--set", "core.layers=1"]
    regard("train", "masked-images", "--data", examples / "pictures", "--out", tmp_path / "run", *quick)
    code, _, err = regard("serve", tmp_path / "run", "--port", "0")
    assert code == 1
    assert "answers nothing by itself" in one_line(err)


def test_pictures_come_in_base64(examples, tmp_path, plain_environment, regard):
    quick = ["--epochs", "1", "--set", "core.dim=8", "--set", "core.hidden=8", "--set", "core.heads=2"]
    run = tmp_path / "run"
    regard("train", "images", "--data", examples / "pictures", "--out", run, *quick)
    _, out, _ = regard("predict", run, "--data", examples / "pictures" / "disc")
    wanted = [json.loads(line) for line in out.splitlines()][:2]
    pictures = sorted((examples / "pictures" / "disc").iterdir())[:2]
    server = Served(run, plain_environment)
    try:
        given = [base64.b64encode(one.read_bytes()).decode() for one in pictures]
        found = server.answers({"pictures": given})
        assert [one["label"] for one in found] == [one["label"] for one in wanted]
        for one, own in zip(found, wanted, strict=True):
            assert one["probability"] == pytest.approx(own["probability"], abs=2e-6)
        status, _, said = server.ask(
            "POST", "/answer", {"pictures": [given[0], base64.b64encode(b"no picture").decode()]}
        )
        assert (status, json.loads(said)["error"]["where"]) == (422, "pictures.1")
    finally:
        server.end()
