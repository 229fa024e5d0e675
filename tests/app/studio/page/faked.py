"""A studio without models behind it: the page is tested against it, so that tests are quick and their numbers known."""

from __future__ import annotations

import json
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from urllib.parse import parse_qs, urlsplit

import numpy as np
from tests.app.studio.page import faked_answers, faked_training

TOKEN = "a-token"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAQAAAADCAIAAAA7ljmRAAAAF0lEQVR42mP8z8Dwn4EBCRgZ"
    "GRkZUAUAOTgDA9Yr3SAAAAAASUVORK5CYII="
)
SUBJECTS = [
    {"id": "run1", "kind": "run", "name": "films", "path": "/data/films", "task": "sentiment", "takes": "text",
     "typed": True, "roles": ["text", "label"], "layers": 2, "heads": 4, "core": "transformer",
     "labels": ["negative", "positive"], "can": ["look", "why", "spend"], "policies": ["tokens", "focus"],
     "test_rows": 24},
    {"id": "model1", "kind": "model", "name": "small-model", "path": "/data/small", "task": None, "takes": "text",
     "typed": True, "roles": [], "layers": 2, "heads": 4, "core": None, "labels": [],
     "can": ["look", "spend"], "policies": ["focus"]},
    {"id": "run2", "kind": "run", "name": "digits", "path": "/data/digits", "task": "images", "takes": "picture",
     "typed": False, "roles": ["image", "label"], "layers": 2, "heads": 4, "core": "transformer", "labels": [],
     "can": ["look", "why"], "policies": []},
]  # fmt: skip
TOP = {"path": None, "parent": None, "left_out": 0,
       "entries": [{"name": "data", "path": "/data", "kind": "folder", "bytes": None}]}  # fmt: skip
DATA = {"path": "/data", "parent": None, "left_out": 0, "entries": [
    {"name": "films", "path": "/data/films", "kind": "run", "bytes": None},
    {"name": "digit.png", "path": "/data/digit.png", "kind": "picture", "bytes": 2048},
    {"name": "story.txt", "path": "/data/story.txt", "kind": "text", "bytes": 130000},
]}  # fmt: skip


class Faked:
    """A studio on loopback. slow: how long each job takes, in seconds; empty: without runs, models and folders."""

    def __init__(self, *, slow: float = 0.0, empty: bool = False) -> None:
        self.slow, self.empty = slow, empty
        self.jobs: dict[str, dict] = {}
        self.cancelled: set[str] = set()
        self.asked: list[tuple[str, dict]] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"studio": self}))
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/#token={TOKEN}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def start(self, kind: str, body: dict) -> str:
        name = f"job{len(self.jobs)}"
        self.jobs[name] = {"kind": kind, "body": body, "since": time.monotonic()}
        self.asked.append((kind, body))
        return name

    def told(self, name: str) -> dict:
        job = self.jobs[name]
        spent = time.monotonic() - job["since"]
        share = 1.0 if spent >= self.slow else spent / self.slow
        state = "cancelled" if name in self.cancelled else "done" if share == 1 else "running"
        if state == "done" and job["body"].get("text") == "break":
            state = "failed"
        told = {"job": name, "kind": job["kind"], "state": state, "fraction": share,
                "line": f"layer {int(2 * share)} of 2", "started": 1.0, "seconds": spent,
                "asked": job["body"], "command": f"regard {job['kind']} --text ...",
                "result": self.result(name) if state == "done" else None, "error": None}  # fmt: skip
        if state == "failed":
            told["error"] = {
                "what": "the text is longer than the model reads",
                "where": "text",
                "do": "give fewer tokens",
            }
        return told

    def result(self, name: str) -> dict:
        kind, body = self.jobs[name]["kind"], self.jobs[name]["body"]
        if kind == "look":
            look = "picture" if body["subject"] == "run2" else "a"
            return {"look": look, "layers": 2, "heads": 8, "units": 12, "bytes": 81200, "seconds": 0.31}
        if kind == "compare":
            change = {"layer": "0", "layer_b": "0", "head": 1, "variation": 0.4, "correlation": 0.2,
                      "breadth": [1.0, 2.0], "distance": [1.0, 3.0]}  # fmt: skip
            return {"looks": ["a", "b"], "note": "", "changes": [change], "only_a": [], "only_b": []}
        if kind == "why":
            return faked_answers.why(body["methods"])
        if kind == "spend":
            return faked_answers.spend(body["fractions"])
        return {"run": "films-new", "scores": faked_training.SCORES, "baselines": faked_training.BASELINES,
                "points": self.points()}  # fmt: skip

    @staticmethod
    def points() -> list[dict]:
        return [*faked_training.log(), faked_training.attention(100), faked_training.attention(500)]


class _Handler(BaseHTTPRequestHandler):
    studio: Faked
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        split = urlsplit(self.path)
        asks = {name: values[0] for name, values in parse_qs(split.query).items()}
        if not split.path.startswith("/api/"):
            return self.page(split.path)
        if not self.known(asks):
            return None
        parts = split.path.split("/")[2:]
        if parts[0] == "looks" and len(parts) > 2:
            return self.of_look(parts[2], asks)
        if parts[0] == "jobs" and parts[-1] == "events":
            return self.events(parts[1])
        return self.say(self.found(parts, asks))

    def found(self, parts: list[str], asks: dict) -> object:
        studio = self.studio
        about = {"version": "0.1.0", "language": "en", "folders": [{"name": "data", "path": "/data"}], "limits": {},
                 "tasks": ["sentiment"], "models": 1}  # fmt: skip
        plain = {
            "about": about,
            "subjects": [] if studio.empty else SUBJECTS,
            "folder": DATA if asks.get("path") else TOP,
            "methods": [
                {"name": name, "about": f"What {name} sees."} for name in ("occlusion", "attention", "gradient")
            ],
            "tasks": faked_training.TASKS,
        }
        if parts[0] in plain:
            return plain[parts[0]]
        if parts[0] == "runs":
            if len(parts) > 1:
                return faked_training.run_log(parts[1])
            return [] if studio.empty else faked_training.RUNS
        if parts[0] == "jobs":
            return studio.told(parts[1]) if len(parts) > 1 else [studio.told(name) for name in studio.jobs]
        if parts[0] == "saved":
            return {"saved": parts[1], "as": asks["as"]}
        return faked_answers.look(parts[1], picture=PIXEL if parts[1] == "picture" else None)

    def of_look(self, what: str, asks: dict) -> None:
        layer, head = int(asks["layer"]), int(asks["head"])
        if what == "tile":
            content, top = faked_answers.tile(layer, head, asks.get("sinks", "1") == "1")
            return self.send(content, "application/octet-stream", {"X-Regard-Top": str(top)})
        if what == "received":
            mass = faked_answers.weights(layer, head).sum(0).astype(np.float32)
            return self.send(struct.pack(f"<{len(mass)}f", *mass), "application/octet-stream")
        return self.say(faked_answers.unit(layer, head, min(int(asks["unit"]), faked_answers.N - 1)))

    def events(self, name: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        first = True
        while True:
            told = self.studio.told(name)
            points = self.studio.points() if told["kind"] == "train" and first else []
            data = {key: told[key] for key in ("fraction", "line", "state", "seconds")} | {"points": points}
            self.wfile.write(f"data: {json.dumps(data)}\n\n".encode())
            self.wfile.flush()
            first = False
            if told["state"] not in ("waiting", "running"):
                self.close_connection = True
                return
            time.sleep(0.05)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        if not self.known({}):
            return
        parts = urlsplit(self.path).path.split("/")[2:]
        if parts[0] == "jobs":
            self.say({"job": self.studio.start(parts[1], body)}, 202)
        elif parts[1] == "walk":
            self.say(faked_training.walk())
        elif parts[1] == "plan":
            self.say(faked_training.PLAN)
        elif "!" in body["expression"]:
            wrong = {"what": "'!' stands for nothing here", "where": "expression", "do": "write ~ for not"}
            self.say({"error": wrong}, 422)
        else:
            self.say(faked_training.mask(body["expression"], body["queries"], body["keys"]))

    def do_DELETE(self) -> None:
        name = self.path.split("/")[-1]
        self.studio.cancelled.add(name)
        self.say({"job": name, "state": "cancelled"})

    def known(self, asks: dict) -> bool:
        if TOKEN in (self.headers.get("X-Regard-Token"), asks.get("token")):
            return True
        self.say({"error": {"what": "no token", "where": "", "do": "open the address that was printed"}}, 401)
        return False

    def page(self, path: str) -> None:
        name = {"/": "page.html"}.get(path, path.lstrip("/"))
        kinds = {
            "page.html": "text/html; charset=utf-8",
            "page.js": "text/javascript; charset=utf-8",
            "page.css": "text/css",
        }
        if name not in kinds:
            return self.send(b"", "text/plain", code=404)
        content = files("regard.app.studio").joinpath("page", name).read_bytes()
        return self.send(content, kinds[name], {"Content-Security-Policy": POLICY})

    def say(self, value: object, code: int = 200) -> None:
        self.send(json.dumps(value).encode(), "application/json", code=code)

    def send(self, content: bytes, kind: str, headers: dict | None = None, code: int = 200) -> None:
        self.send_response(code)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
