"""Random requests by the studio's own OpenAPI description: none may be answered with 500 or more, hang, or show what
lies outside of the folder."""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode

from benchmarks.studio_served import Served

SECRET = "kept-from-everyone-4711"
TEXT = "the cat sat on the mat . a dog ran to the cat"
_ROUNDS = 20
_INPUTS = ("text", "file", "part")  # of which a body takes one
_SLOW = 30.0  # seconds after which a request counts as one that hangs
_FORM = {"what", "where", "do"}


def made_folder(parent: Path) -> Path:
    """mine/ with a tiny model, a text, a table and a link that leads out; secret.txt beside it."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.model_folders import saved

    folder = parent / "mine"
    for name in ("bert", "gpt2"):
        saved(name, folder / name)
    (folder / "story.txt").write_text(TEXT, encoding="utf-8")
    (folder / "rows.csv").write_text("text,label\ngood,yes\nbad,no\n", encoding="utf-8")
    (parent / "secret.txt").write_text(SECRET, encoding="utf-8")
    (folder / "out").symlink_to(parent)
    return folder


class Fuzz:
    """Sends what schemathesis draws, and keeps count."""

    def __init__(self, server: Served, folder: Path) -> None:
        self.server, self.folder, self.draw = server, folder, random.Random(0)
        self.client = httpx.Client(base_url=server.address, headers=server.headers, timeout=_SLOW)
        self.statuses: Counter[int] = Counter()
        self.slowest = 0.0
        self.broken: list[str] = []
        self.known: dict[str, list[str]] = {}

    def close(self) -> None:
        self.client.close()

    def run(self, requests: int) -> None:
        """So many requests, as many of each operation, half of them broken on purpose."""
        description = self.client.get("/api/openapi.json").json()
        schema = schemathesis.openapi.from_dict(description)
        operations = [result.ok() for result in schema.get_all_operations()]
        modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
        each = -(-requests // (len(operations) * len(modes)))
        for round_ in range(_ROUNDS):  # operations without arguments give fewer than they are asked for
            for mode in modes:
                for operation in operations:
                    if sum(self.statuses.values()) >= requests:
                        return
                    self.learn()
                    self._of(operation, mode, each, round_)
                    print(f"{sum(self.statuses.values()):,} of {requests:,}: {operation.label}", file=sys.stderr)

    def _of(self, operation: Any, mode: GenerationMode, count: int, round_: int) -> None:
        quiet = settings(
            max_examples=count,
            deadline=None,
            database=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        )
        try:
            seed(round_)(quiet(given(case=operation.as_strategy(generation_mode=mode))(self._sender())))()
        except Exception as error:  # nothing to break in an operation without arguments
            if "Unsatisfiable" not in type(error).__name__ and "No " not in str(error)[:3]:
                raise

    def learn(self) -> None:
        """Names and ids that are there, so that not every request ends at its first check; jobs that wait are ended."""
        jobs = self.client.get("/api/jobs").json()
        for job in jobs:
            if job["state"] in ("waiting", "running") or len(jobs) > 20:
                self.client.delete(f"/api/jobs/{job['job']}")
        subjects = [one["id"] for one in self.client.get("/api/subjects").json()]
        done = self.client.post("/api/jobs/look", json={"subject": subjects[0], "text": TEXT}).json().get("job")
        until = time.monotonic() + _SLOW
        look = None
        while done and look is None and time.monotonic() < until:
            found = self.client.get(f"/api/jobs/{done}").json()
            look = (found["result"] or {}).get("look") if found["state"] == "done" else None
            time.sleep(0.02)
        paths = ["story.txt", "rows.csv", "bert", "out/secret.txt", "../secret.txt", "bert/model.safetensors", "none"]
        self.known = {
            "subject": subjects,
            "job": [done or ""],
            "look": [look or ""],
            "run": [""],
            "layer": ["0", "1"],
            "file": [f"{self.folder}/{path}" for path in paths] + ["/etc/passwd"],
        }
        self.known["path"] = self.known["data"] = self.known["folder"] = self.known["file"]

    def _sender(self) -> Callable[..., None]:
        """A function of its own for each run, which hypothesis marks."""

        def one(case: Any) -> None:
            self.send(case)

        return one

    def send(self, case: Any) -> None:
        """One request, half of the time with what is there in the place of what was drawn, and one input of several."""
        if self.draw.random() < 0.5:
            for part in (case.path_parameters, case.query, case.body):
                if isinstance(part, dict):
                    part |= {name: self.draw.choice(self.known[name]) for name in part if name in self.known}
                    inputs = [name for name in _INPUTS if part.get(name) is not None]
                    for name in self.draw.sample(inputs, max(0, len(inputs) - 1)):
                        del part[name]
        call = case.as_transport_kwargs(base_url=self.server.address)
        began = time.monotonic()
        try:
            sent = {name: call[name] for name in ("params", "json", "data", "headers", "cookies") if call.get(name)}
            sent["headers"] = {**dict(sent.get("headers") or {}), **self.server.headers}
            answer = self.client.request(call["method"], call["url"], **_for_httpx(sent))
        except (httpx.InvalidURL, httpx.LocalProtocolError, UnicodeEncodeError, ValueError, TypeError):
            return  # no client can send that
        except httpx.HTTPError as error:
            self.broken.append(f"{call['method']} {call['url']}: {type(error).__name__}")
            return
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.statuses[answer.status_code] += 1
        self._check(case, answer)

    def _check(self, case: Any, answer: httpx.Response) -> None:
        where = f"{answer.request.method} {answer.request.url}"
        if answer.status_code >= 500:
            self.broken.append(f"{where}: {answer.status_code} {answer.text[:300]} {case.body!r:.300}")
        if SECRET.encode() in answer.content or b"root:x:0" in answer.content or b"Traceback (most" in answer.content:
            self.broken.append(f"{where}: shows what it must not")
        form = answer.status_code < 400 or set(answer.json().get("error", ())) == _FORM
        if not form:
            self.broken.append(f"{where}: {answer.status_code} without the form of an error: {answer.text[:200]}")


def _for_httpx(sent: dict[str, Any]) -> dict[str, Any]:
    """schemathesis speaks to requests, whose `data` may be text or bytes."""
    if isinstance(sent.get("data"), str | bytes):
        sent["content"] = sent.pop("data")
    return sent


def foreign(opened: Path, parent: Path) -> list[str]:
    """Files that were opened beside the folder, in the place where only the secret lies."""
    inside = f"{parent.resolve() / 'mine'}/"
    own = str(opened.resolve())
    listed = [line for line in opened.read_text(encoding="utf-8").splitlines() if line != own]
    return [line for line in listed if line.startswith(f"{parent.resolve()}/") and not line.startswith(inside)] + [
        line for line in listed if line == "/etc/passwd"
    ]
