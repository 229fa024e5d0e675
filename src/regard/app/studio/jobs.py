"""Long work in the background: jobs wait in a lane, run one after another, tell how far they are, and can be stopped.

Two lanes, a thread each: models (looks, explanations, budgets) and trainings (whose thread only watches a process).
Models run in a thread and not in a process of their own: the queries and keys that a look keeps are what its tiles are
drawn from while the next job runs, and torch gives Python's lock away while it computes, so that the page is answered.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from regard.app.studio.limits import Limits
from regard.app.studio.refusals import RefusedError, plain_json, told

_log = logging.getLogger("regard.studio")
State = Literal["waiting", "running", "done", "failed", "cancelled"]
LANES = ("models", "training")
_ENDED = ("done", "failed", "cancelled")


class CancelledError(BaseException):  # no `except Exception` of a model may swallow it
    """The job was asked to stop; raised where it next tells how far it is."""


@dataclass(eq=False)
class Job:
    """One job. asked: the body it came from. command: what to type for the same. place: the folder that
    it trains in. points: what a training adds as it goes; result: of a job that is done, as JSON."""

    kind: str
    title: str
    asked: Mapping[str, Any]
    lane: str
    id: str = field(default_factory=lambda: secrets.token_hex(6))
    state: State = "waiting"
    fraction: float = 0.0
    line: str = ""
    command: str = ""
    place: str | None = None
    created: float = field(default_factory=time.time)
    started: float | None = None
    ended: float | None = None
    error: dict[str, str] | None = None
    result: bytes | None = None
    points: list[dict[str, Any]] = field(default_factory=list)
    version: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def tell(self, fraction: float, line: str) -> None:
        """How far it is. Raises `CancelledError` where it is to stop."""
        self.check()
        self.fraction, self.line = min(max(fraction, 0.0), 1.0), line
        self.version += 1

    def add(self, points: Sequence[dict[str, Any]]) -> None:
        """Points of curves that are new."""
        if points:
            self.points += points
            self.version += 1

    def check(self) -> None:
        """Raises `CancelledError` where it is to stop."""
        if self._stop.is_set():
            raise CancelledError

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    def stop(self) -> None:
        """Asks it to stop."""
        self._stop.set()
        self.version += 1

    @property
    def is_over(self) -> bool:
        return self.state in _ENDED

    def head(self) -> dict[str, Any]:
        """One line of the list of jobs."""
        until = self.ended or time.time()
        seconds = 0.0 if self.started is None else until - self.started
        return {
            "job": self.id,
            "kind": self.kind,
            "title": self.title,
            "state": self.state,
            "fraction": round(self.fraction, 4),
            "line": self.line,
            "started": self.started,
            "seconds": round(seconds, 2),
        }

    def whole(self) -> bytes:
        """Everything, as JSON; the result was put into JSON once."""
        values = {**self.head(), "asked": self.asked, "command": self.command, "error": self.error}
        return plain_json(values)[:-1] + b',"result":' + (self.result or b"null") + b"}"


Work = Callable[[Job], Any]


class Jobs:
    """The lanes, and what has come of every job that is still known."""

    def __init__(self, limits: Limits, *, forget: Callable[[Job], None] = lambda _: None) -> None:
        """forget: called with a job that is no longer known, outside of all locks."""
        self.limits, self._forget = limits, forget
        self._known: OrderedDict[str, Job] = OrderedDict()
        self._lock = threading.Lock()
        self._lanes = {name: _Lane(self._done) for name in LANES}

    def submit(self, kind: str, title: str, asked: Mapping[str, Any], work: Work, *, lane: str = "models") -> Job:
        """Puts a job into its lane. Raises `RefusedError` (429) where too many wait already."""
        job = Job(kind, title, asked, lane)
        with self._lock:
            waiting = sum(one.state == "waiting" for one in self._known.values())
            if waiting >= self.limits.jobs_waiting:
                raise RefusedError(
                    429, f"{waiting} jobs are waiting already", do="wait until one has run, or cancel some"
                )
            self._known[job.id] = job
        self._lanes[lane].put(job, work)
        return job

    def all(self) -> list[Job]:
        """Newest first."""
        with self._lock:
            return list(reversed(self._known.values()))

    def __getitem__(self, given: str) -> Job:
        """The job of that id. Raises `RefusedError` (404)."""
        with self._lock:
            if given in self._known:
                return self._known[given]
        raise RefusedError(404, "there is no such job", where="job", do="choose one that /api/jobs lists")

    def drop(self, given: str) -> str:
        """Stops a job, or forgets one that is over; its state then."""
        job = self[given]
        if not job.is_over:
            job.stop()
            self._lanes[job.lane].drop(job)
            return job.state
        with self._lock:
            self._known.pop(given, None)
        self._forget(job)
        return "forgotten"

    def close(self) -> None:
        """Stops everything and waits for it."""
        for job in self.all():
            if not job.is_over:
                job.stop()
        for lane in self._lanes.values():
            lane.close()

    def _done(self, job: Job) -> None:
        """Forgets the oldest of those that are over, beyond what is kept."""
        gone: list[Job] = []
        with self._lock:
            over = [one for one in self._known.values() if one.is_over]
            size = sum(len(one.result or b"") for one in over)
            while len(over) > 1 and (len(over) > self.limits.jobs_kept or size > self.limits.results_bytes):
                oldest = over.pop(0)
                size -= len(oldest.result or b"")
                gone.append(self._known.pop(oldest.id))
        for one in gone:
            self._forget(one)


class _Lane:
    """One thread, and the jobs that wait for it."""

    def __init__(self, done: Callable[[Job], None]) -> None:
        self._done = done
        self._waiting: deque[tuple[Job, Work]] = deque()
        self._ready = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def put(self, job: Job, work: Work) -> None:
        with self._ready:
            self._waiting.append((job, work))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="regard-studio-job", daemon=True)
                self._thread.start()
            self._ready.notify()

    def drop(self, job: Job) -> None:
        """Takes a job out that has not begun."""
        with self._ready:
            for place, (one, _) in enumerate(self._waiting):
                if one is job:
                    del self._waiting[place]
                    _end(job, "cancelled", "cancelled before it began")
                    break

    def close(self) -> None:
        with self._ready:
            self._closed = True
            for job, _ in self._waiting:
                _end(job, "cancelled", "the studio was closed")
            self._waiting.clear()
            self._ready.notify()
        if self._thread is not None:
            self._thread.join(timeout=30)

    def _run(self) -> None:
        while True:
            with self._ready:
                while not self._waiting and not self._closed:
                    self._ready.wait()
                if not self._waiting:
                    return
                job, work = self._waiting.popleft()
                job.state, job.started = "running", time.time()
                job.version += 1
            _work(job, work)
            self._done(job)
            del job, work  # what they hold must not outlive them while this thread waits for the next


def _work(job: Job, work: Work) -> None:
    try:
        found = work(job)
        job.result = plain_json(found)
        job.fraction = 1.0
        _end(job, "done", "done")
    except CancelledError:
        _end(job, "cancelled", "cancelled")
    except BaseException as error:  # a lane goes on whatever a job raises, and the page is told
        status, job.error = told(error)
        if status >= 500:
            _log.error("a fault in regard studio", exc_info=error)
        _end(job, "failed", job.error["what"])


def _end(job: Job, state: State, line: str) -> None:
    job.state, job.line, job.ended = state, line, time.time()
    job.version += 1
