"""Who may ask: the token, the host, the origin; and how much."""

import pytest
from starlette.testclient import TestClient

from regard.app.studio.guard import Guard, hosts_of
from regard.app.studio.limits import Limits
from regard.app.studio.server import application
from regard.app.studio.studio import Studio

ABOUT = "/api/about"


@pytest.fixture
def stranger(studio):
    return TestClient(application(studio, 8000), base_url="http://127.0.0.1:8000", raise_server_exceptions=False)


def test_without_the_token_nothing_is_told(stranger, studio):
    for headers in ({}, {"X-Regard-Token": ""}, {"X-Regard-Token": "x" + studio.token[1:]}, {"X-Regard-Token": "é"}):
        answer = stranger.get(ABOUT, headers={name: value.encode() for name, value in headers.items()})
        assert (answer.status_code, answer.json()["error"]["where"]) == (401, "")
    assert stranger.get(ABOUT, headers={"X-Regard-Token": studio.token}).status_code == 200


def test_the_token_in_the_address_is_for_events_alone(stranger, studio):
    assert stranger.get(ABOUT, params={"token": studio.token}).status_code == 401
    assert stranger.get("/api/jobs/none/events", params={"token": studio.token}).status_code == 404
    assert stranger.get("/api/jobs/none/events", params={"token": "wrong"}).status_code == 401


def test_the_page_itself_needs_no_token_and_holds_none(stranger, studio):
    answer = stranger.get("/")
    assert answer.status_code in (200, 404)  # 404 where the page is not built
    assert studio.token not in answer.text


@pytest.mark.parametrize(
    "host", ["evil.example:8000", "127.0.0.1", "127.0.0.1:8001", "localhost:8000.evil.example", ""]
)
def test_a_foreign_host_is_refused(host, client):
    answer = client.get(ABOUT, headers={"Host": host})
    assert (answer.status_code, answer.json()["error"]["what"]) == (
        403,
        "the Host header names another host than this studio",
    )


def test_the_machines_own_names_are_not_foreign(client):
    assert client.get(ABOUT, headers={"Host": "localhost:8000"}).status_code == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1:8000", "http://127.0.0.1:8001", ""]
)
@pytest.mark.parametrize("path", ["/", ABOUT, "/page.js"])
def test_a_foreign_origin_is_refused(origin, path, client):
    assert client.get(path, headers={"Origin": origin}).status_code == 403


def test_the_pages_own_origin_is_not_foreign(client):
    for origin in ("http://127.0.0.1:8000", "http://localhost:8000"):
        assert client.get(ABOUT, headers={"Origin": origin}).status_code == 200
    assert client.get(ABOUT, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200
    assert client.get(ABOUT, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


@pytest.mark.parametrize("path", ["/", ABOUT, "/api/none", "/page.js", "/favicon.ico"])
def test_every_answer_says_how_it_may_be_used(path, client):
    headers = client.get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in headers


def test_a_body_that_is_too_large(client):
    body = b'{"words": ["' + b"a" * 4_000_000 + b'"]}'
    for content in (body, iter([body[:100], body[100:]])):  # with its length, and in pieces without it
        answer = client.post("/api/learn/walk", content=content, headers={"Content-Type": "application/json"})
        assert (answer.status_code, "larger than 4,000,000 bytes" in answer.json()["error"]["what"]) == (413, True)


def test_too_many_at_once(root):
    few = Studio.of([root], limits=Limits(requests=0, streams=0))
    asking = TestClient(application(few, 8000), base_url="http://127.0.0.1:8000", headers={"X-Regard-Token": few.token})
    for path in (ABOUT, "/api/jobs/none/events"):
        answer = asking.get(path)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")


def test_a_slot_is_given_back_after_every_request(studio):
    counted = Guard(application(studio, 8000).app, hosts_of(8000), studio.token, studio.limits)
    asking = TestClient(counted, base_url="http://127.0.0.1:8000", headers={"X-Regard-Token": studio.token})
    for path in (ABOUT, "/api/none", "/api/jobs/none/events"):
        asking.get(path)
    assert (counted._running, counted._streams) == (0, 0)


def test_no_websocket(client):
    from starlette.websockets import WebSocketDisconnect

    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/api/jobs"):
        pass
