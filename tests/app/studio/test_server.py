"""A real server on loopback: events, many clients at once, and Ctrl-C."""

import concurrent.futures
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading

import httpx
import pytest

from regard.app.studio.server import address, listening, serve
from regard.spec.errors import RunError

TEXT = "The cat sat on the mat."


@pytest.fixture(scope="module")
def process(root):
    """(its address, its token, the process) of the command itself."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "regard", "studio", str(root), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as made:
        found = re.fullmatch(r"regard studio: (http://127\.0\.0\.1:\d+)/#token=(\S+)\n", made.stdout.readline())
        yield found[1], found[2], made
        made.send_signal(signal.SIGINT)
        assert made.wait(60) in (0, 130)


@pytest.fixture(scope="module")
def live(process):
    with httpx.Client(base_url=process[0], headers={"X-Regard-Token": process[1]}, timeout=60) as made:
        yield made


def test_it_listens_on_loopback_alone(process):
    port = int(process[0].rpartition(":")[2])
    others = [info[4][0] for info in socket.getaddrinfo(socket.gethostname(), port, socket.AF_INET)]
    for other in {one for one in others if not one.startswith("127.")}:
        with socket.socket() as tried:
            tried.settimeout(2)
            assert tried.connect_ex((other, port)) != 0
    with listening(0) as made:
        assert made.getsockname()[0] == "127.0.0.1"


def test_events_come_as_the_job_goes(live, process):
    subject = next(one["id"] for one in live.get("/api/subjects").json() if one["name"] == "bert")
    job = live.post("/api/jobs/look", json={"subject": subject, "text": TEXT}).json()["job"]
    with httpx.stream("GET", f"{process[0]}/api/jobs/{job}/events", params={"token": process[1]}, timeout=60) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        told = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
    assert told[-1]["state"] == "done"
    fractions = [one["fraction"] for one in told]
    assert fractions == sorted(fractions)
    assert live.get(f"/api/looks/{live.get(f'/api/jobs/{job}').json()['result']['look']}").status_code == 200


def test_fifty_clients_at_once(process):
    def ask(number):
        with httpx.Client(base_url=process[0], headers={"X-Regard-Token": process[1]}, timeout=60) as own:
            mask = {"expression": f"Window({number % 5}, 0)", "queries": 8, "keys": 8}
            found = own.post("/api/learn/mask", json=mask).json()
            return own.get("/api/jobs").status_code, found["allowed"], own.get("/api/about").json()["version"]

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(ask, range(50)))
    assert {status for status, _, _ in answers} == {200}
    for number, (_, allowed, _) in enumerate(answers):
        window = number % 5 + 1
        assert allowed == sum(min(row + 1, window) for row in range(8))


def test_strangers_are_refused_by_the_real_server_too(process):
    for headers, status in (
        ({}, 401),
        ({"X-Regard-Token": process[1], "Host": "evil.example"}, 403),
        ({"X-Regard-Token": process[1], "Origin": "http://evil.example"}, 403),
    ):
        assert httpx.get(f"{process[0]}/api/about", headers=headers).status_code == status


def test_what_is_no_http_hangs_nothing(process, live):
    port = int(process[0].rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        raw.sendall(b"GET /\x00 NONSENSE\r\n\r\n" + b"\xff" * 100)
        raw.recv(1000)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        raw.sendall(b"POST /api/learn/walk HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999\r\n\r\n")
        assert b" 403 " in raw.recv(1000).split(b"\r\n")[0]
    assert live.get("/api/about").status_code == 200


def test_a_port_that_is_taken():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(RunError, match="is taken"):
            listening(taken.getsockname()[1])


def test_the_address_holds_the_token_in_its_fragment(studio):
    assert address(studio, 80) == f"http://127.0.0.1:80/#token={studio.token}"


def test_in_a_thread_it_says_when_it_listens(root):
    from regard.app.studio.studio import Studio

    made, taken, ready = Studio.of([root]), listening(0), threading.Event()
    port = taken.getsockname()[1]
    server = []
    thread = threading.Thread(target=lambda: serve(made, taken, ready=ready.set, began=server.append))
    thread.start()
    assert ready.wait(30)
    answer = httpx.get(f"http://127.0.0.1:{port}/api/about", headers={"X-Regard-Token": made.token})
    assert answer.status_code == 200
    said = _spoken(port, b"GET /api/about HTTP/1.1\r\n\r\n")  # HTTP/1.1 has a Host header
    assert b" 400 " in said.partition(b"\r\n")[0]
    assert json.loads(said.rpartition(b"\r\n\r\n")[2])["error"]["what"] == "the request is no HTTP that can be read"
    said = _spoken(port, b"GET /api/about HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n")
    assert b" 403 " in said.partition(b"\r\n")[0]
    assert "names another host" in json.loads(said.rpartition(b"\r\n\r\n")[2])["error"]["what"]
    server[0].should_exit = True
    thread.join(30)
    assert not thread.is_alive()


def test_the_command_refuses_what_makes_no_sense(regard, tmp_path, one_line):
    code, _, err = regard("studio", tmp_path / "none")
    assert code == 1
    assert "no such folder" in one_line(err)
    code, _, err = regard("studio", tmp_path, "--language", "xx")
    assert code == 2
    assert "--language" in one_line(err)


def _spoken(port, request):
    """All that a server says to bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as line:
        line.sendall(request)
        return b"".join(iter(lambda: line.recv(65_536), b""))
