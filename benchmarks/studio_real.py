"""The studio on models as they are: a run, MiniLM, and Gemma 3 270M with 8,192 tokens of Austen.

Everything is asked over HTTP, of the server that `regard studio` starts. The clock of a first picture starts when the
model's last block is done, as the job tells, so that the rest of the pass is counted in.
"""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from benchmarks.studio_served import Served

REVIEW = "The plot is thin and the ending drags, but the acting is wonderful and I would watch it again."
PAGES = ("/", "/api/jobs", "/api/about")
_BETWEEN = 0.05  # seconds between two requests of one poller
_EACH = 12  # tiles of a zoom and kind of layer
_LOOKED = 0.01
_PATIENCE = 400.0


@dataclass(frozen=True)
class Asked:
    """A subject by its name, and an input as the page sends it."""

    name: str
    what: str
    given: dict[str, Any]


@dataclass
class Pollers:
    """Clients that ask for the page and for what it shows of jobs, over and over. found: (address, seconds)."""

    found: list[tuple[str, float]] = field(default_factory=list)

    def rows(self, during: str) -> list[dict[str, Any]]:
        """For each address: how often, the median and the worst."""
        return [
            {"during": during, "address": path, **spread([seconds for where, seconds in self.found if where == path])}
            for path in PAGES
        ]


def spread(seconds: Sequence[float]) -> dict[str, Any]:
    """Count, median, 95th of a hundred and worst, in milliseconds."""
    ordered = sorted(seconds)
    return {
        "requests": len(ordered),
        "median_ms": round(1e3 * statistics.median(ordered), 2),
        "p95_ms": round(1e3 * ordered[int(0.95 * (len(ordered) - 1))], 2),
        "worst_ms": round(1e3 * ordered[-1], 1),
    }


@contextmanager
def polled(server: Served) -> Iterator[Pollers]:
    """Asks for the page all along this block."""
    made, over = Pollers(), threading.Event()

    def ask(path: str) -> None:
        with client(server) as own:
            while not over.is_set():
                began = time.perf_counter()
                own.get(path).raise_for_status()
                made.found.append((path, time.perf_counter() - began))
                over.wait(_BETWEEN)

    threads = [threading.Thread(target=ask, args=(path,)) for path in PAGES]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        over.set()
        for thread in threads:
            thread.join()


def client(server: Served) -> httpx.Client:
    return httpx.Client(base_url=server.address, headers=server.headers, timeout=_PATIENCE)


def subjects(own: httpx.Client) -> dict[str, dict[str, Any]]:
    """By name."""
    return {one["name"]: one for one in own.get("/api/subjects").json()}


def done(own: httpx.Client, kind: str, body: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[float, str]]]:
    """A job, from its request to its end, and (when, line) of all that it told."""
    return followed(own, own.post(f"/api/jobs/{kind}", json=body).raise_for_status().json()["job"])


def followed(own: httpx.Client, job: str) -> tuple[dict[str, Any], list[tuple[float, str]]]:
    """A job that was asked for, to its end, and (when, line) of all that it told; when by `time.perf_counter`."""
    told: list[tuple[float, str]] = []
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        found = own.get(f"/api/jobs/{job}").json()
        if not told or told[-1][1] != found["line"]:
            told.append((time.perf_counter(), found["line"]))
        if found["state"] not in ("waiting", "running"):
            assert found["state"] == "done", found["error"]
            return found, told
        time.sleep(_LOOKED)
    raise AssertionError(f"the job is {found['state']} after {_PATIENCE:.0f} s")


def looked(server: Served, asked: Asked) -> tuple[dict[str, Any], dict[str, Any]]:
    """(a row of figures, the look): from the request to the picture of the head that stands out most."""
    with client(server) as own:
        subject = subjects(own)[asked.name]["id"]
        began = time.perf_counter()
        found, told = done(own, "look", {"subject": subject, **asked.given})
        look = own.get(f"/api/looks/{found['result']['look']}").json()
        head = look["ranked"][0]
        tile = own.get(f"/api/looks/{look['look']}/tile", params={"layer": head["layer"], "head": head["head"]})
        shown = time.perf_counter()
    assert len(tile.content) == 256 * 256
    last = last_block(told)
    row = {
        "subject": asked.name,
        "what": asked.what,
        "units": look["units"]["count"],
        "heads": len(look["ranked"]),
        "after_pass_s": None if last is None else round(shown - last, 3),
        "whole_s": round(shown - began, 3),
    }
    return row, look


def last_block(told: Sequence[tuple[float, str]]) -> float | None:
    """When the last block was done; None where the model has no blocks, or was too quick to be seen."""
    for when, line in told:
        words = line.split()
        if line.startswith("block ") and words[1] == words[-1]:
            return when
    return next((when for when, line in told if line == "ranking the heads"), None)


def tiles(server: Served, name: str, look: dict[str, Any]) -> list[dict[str, Any]]:
    """A row for each kind of layer, zoom, and whether sinks are shown: tiles that were never asked for before."""
    draw, rows = random.Random(0), []
    with client(server) as own:
        for mask, layers in _kinds(look).items():
            for zoom in range(min(layer["deepest"] for layer in layers) + 1):
                for sinks in (1, 0):
                    places = _places(draw, layers, zoom, narrow="window" in mask.lower())
                    times = [_tile(own, look["look"], {**one, "zoom": zoom, "sinks": sinks}) for one in places]
                    rows.append({"subject": name, "mask": mask, "zoom": zoom, "sinks": bool(sinks), **spread(times)})
    return rows


def _kinds(look: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The layers by what their masks say."""
    found: dict[str, list[dict[str, Any]]] = {}
    for layer in look["layers"]:
        found.setdefault(layer["mask"], []).append(layer)
    return found


def _places(draw: random.Random, layers: Sequence[dict[str, Any]], zoom: int, *, narrow: bool) -> list[dict[str, Any]]:
    """Tiles of any head on or below the diagonal, where there is weight to be drawn."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for _ in range(20 * _EACH):
        layer = draw.choice(list(layers))
        head, row = draw.choice(layer["heads"])["head"], draw.randrange(1 << zoom)
        col = draw.choice([row, max(row - 1, 0)]) if narrow else draw.randint(0, row)
        one = {"layer": layer["name"], "head": head, "row": row, "col": col}
        found[tuple(one.values())] = one
        if len(found) == _EACH:
            break
    return list(found.values())


def _tile(own: httpx.Client, look: str, query: dict[str, Any]) -> float:
    began = time.perf_counter()
    answer = own.get(f"/api/looks/{look}/tile", params=query)
    seconds = time.perf_counter() - began
    assert len(answer.content) == 256 * 256, answer.text
    return seconds


def over_and_over(server: Served, name: str, requests: int) -> dict[str, Any]:
    """So many requests of one model, looks and tiles in turn: resident memory after as many of warm-up, and after."""
    draw = random.Random(1)
    with client(server) as own:
        subject = subjects(own)[name]["id"]

        def go(count: int) -> None:
            for place in range(count // 4):
                given = {"subject": subject, "text": f"{REVIEW} {draw.random()} {place}"}
                look = own.get(f"/api/looks/{done(own, 'look', given)[0]['result']['look']}").json()
                for _ in range(3):
                    layer = draw.choice(look["layers"])
                    where = {"layer": layer["name"], "head": layer["heads"][0]["head"], "sinks": draw.randrange(2)}
                    _tile(own, look["look"], where)

        go(requests)
        warm = server.memory()
        go(requests)
        return {
            "subject": name,
            "requests": requests,
            "warm_mb": round(warm / 1e6, 1),
            "end_mb": round(server.memory() / 1e6, 1),
        }


def tiles_over_and_over(server: Served, look: dict[str, Any], name: str, requests: int) -> dict[str, Any]:
    """So many tiles and units of one long look: resident memory after as many of warm-up, and after."""
    draw = random.Random(2)
    with client(server) as own:

        def go() -> None:
            for place in range(requests):
                layer = draw.choice(look["layers"])
                which = {"layer": layer["name"], "head": draw.choice(layer["heads"])["head"]}
                if place % 4:
                    zoom = draw.randint(0, layer["deepest"])
                    row = draw.randrange(1 << zoom)
                    _tile(own, look["look"], which | {"zoom": zoom, "row": row, "col": draw.randint(0, row)})
                else:
                    unit = which | {"unit": draw.randrange(look["units"]["count"])}
                    own.get(f"/api/looks/{look['look']}/unit", params=unit).raise_for_status()

        go()
        warm = server.memory()
        go()
        end = server.memory()
    return {"subject": name, "requests": requests, "warm_mb": round(warm / 1e6, 1), "end_mb": round(end / 1e6, 1)}
