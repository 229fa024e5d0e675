"""Who may ask a server: by the host that is named, and by the page that a request comes from."""

import asyncio
import socket

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from regard.app.serving.server import listening
from regard.app.serving.strangers import guarded
from regard.spec.errors import SpecError


def client(**given):
    app = FastAPI()
    app.post("/answer")(lambda: {"said": True})
    return TestClient(guarded(app, **{"loopback": True} | given), base_url="http://127.0.0.1:8000")


def refused(response):
    """The place that is named, of an error in the one shape that all have."""
    assert response.status_code == 403
    assert response.headers["content-type"] == "application/json"
    error = response.json()["error"]
    assert set(error) == {"what", "where", "do"}
    return error["where"]


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "LOCALHOST:9000", "[::1]:8000"])
def test_hosts_that_are_this_machine_may_be_named(host):
    assert client().post("/answer", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["elsewhere.example", "127.0.0.1.elsewhere.example", "", "[::2]", "localhost.example:80"]
)
def test_other_hosts_are_refused_on_loopback_alone(host):
    assert refused(client().post("/answer", headers={"Host": host})) == "Host"
    assert client(loopback=False).post("/answer", headers={"Host": host or "x"}).status_code == 200


def test_refusals_are_counted_by_their_paths():
    told = []
    asked = client(told=told.append)
    asked.post("/answer", headers={"Host": "elsewhere.example"})
    asked.get("/answer", headers={"Origin": "https://elsewhere.example"})
    asked.post("/answer")
    assert told == ["/answer", "/answer"]


def test_a_page_of_another_origin_is_refused_unless_it_was_allowed():
    page = {"Origin": "http://localhost:3000"}
    answer = client().post("/answer", headers=page)
    assert refused(answer) == "Origin"
    assert "--origin http://localhost:3000" in answer.json()["error"]["do"]
    allowed = client(origins=["http://localhost:3000"])
    answer = allowed.post("/answer", headers=page)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert refused(allowed.post("/answer", headers={"Origin": "http://localhost:3001"})) == "Origin"
    for other in ("null", "https://elsewhere.example"):
        assert refused(client(loopback=False).post("/answer", headers={"Origin": other})) == "Origin"


def test_its_own_page_may_ask_and_a_browser_may_ask_whether_it_may():
    assert client().post("/answer", headers={"Origin": "http://127.0.0.1:8000"}).status_code == 200
    asks = {"Origin": "http://a.example", "Access-Control-Request-Method": "POST"}
    asks["Access-Control-Request-Headers"] = "content-type"
    assert client(origins=["http://a.example"]).options("/answer", headers=asks).status_code == 200
    assert refused(client().options("/answer", headers=asks)) == "Origin"


@pytest.mark.parametrize("given", ["*", "localhost:3000", "http://a.example/", "http://", "ftp://a.example"])
def test_an_origin_is_a_scheme_and_a_host(given):
    with pytest.raises(SpecError, match="scheme and host alone"):
        client(origins=[given])


def test_what_is_written_goes_out_at_once():
    """With Nagle's algorithm a body that follows its head waits for the client's delayed acknowledgement: 40 ms."""

    async def play():
        found = []

        def heard(_, writer):
            taken = writer.get_extra_info("socket")
            found.append(taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        taken = listening("127.0.0.1", 0)
        async with await asyncio.start_server(heard, sock=taken):
            reader, writer = await asyncio.open_connection(*taken.getsockname())
            await reader.read()
            writer.close()
            await writer.wait_closed()
        return found

    assert asyncio.run(play()) == [1]
