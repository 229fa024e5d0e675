"""The application around one run, and the server that runs it until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from regard.app.serving.answering import Answering
from regard.app.serving.batcher import Batcher, FullError, Item
from regard.app.serving.docs_page import docs_page
from regard.app.serving.figures import Figures
from regard.app.serving.guard import Guard
from regard.app.serving.kinds import Kind, kind_of
from regard.app.serving.limits import Limits
from regard.app.serving.sentences import of_media, of_schema
from regard.app.serving.strangers import LOOPBACK, guarded
from regard.app.serving.whys import Whys
from regard.app.studio.refusals import Json, refusal, told
from regard.spec.errors import RunError
from regard.train.run import Run

_GRACE = 5  # seconds beyond an item's own time limit


@dataclass(eq=False)
class Service:
    """One run behind HTTP: `app` is what a server runs."""

    run: Run
    limits: Limits

    def __post_init__(self) -> None:
        self.figures = Figures()
        self.kind: Kind = kind_of(self.run, self.limits)
        self.answering = Answering(self.run, self.kind)
        self.whys = Whys(self.run, self.kind, self.limits.seconds)
        self.lanes: dict[bool, Batcher] = {}  # explained by a method, or not
        self.stops = False
        self.app = Guard(self._application(), self.limits, self.figures, lambda: self.stops)

    async def answer(self, given: BaseModel) -> Response:
        """Answers to a request's items; those that a method explains go through a lane of their own."""
        asked = given.model_dump(by_alias=True)
        explain = asked["explain"]
        items = [Item(one, self.kind.length(one), explain) for one in asked[self.kind.field]]
        try:
            answers = await self.lanes[isinstance(explain, dict)].submit(items)
        except FullError as error:
            made = refusal(429, "the queue is full", do=f"send it again in {error.seconds} s")
            made.headers["Retry-After"] = str(error.seconds)
            return made
        except TimeoutError:
            return self._late()
        for place, one in enumerate(answers):
            if isinstance(one, TimeoutError):
                return self._late()
            if isinstance(one, BaseException):
                status, body = told(one)
                return Json({"error": body | {"where": f"{self.kind.field}.{place}"}}, status_code=status)
        return Json({"task": self.run.task.name, "answers": answers})

    def _late(self) -> Json:
        what = f"no answer within {self.limits.seconds:g} s"
        return refusal(504, what, do="send fewer or shorter items, or explain by a quicker method")

    def _application(self) -> FastAPI:
        from regard import __version__

        app = FastAPI(
            title=f"regard: {self.run.task.name}",
            description=self.run.task.about,
            version=__version__,
            docs_url=None,
            redoc_url=None,
            default_response_class=Json,
            redirect_slashes=False,
            lifespan=self._living,
        )
        schema: Any = self.kind.schema

        async def answer(given: schema) -> Response:
            return await self.answer(given)

        answer.__annotations__ = {"given": schema, "return": Response}
        app.post("/answer", summary="Answers, as regard predict gives them")(answer)
        app.get("/health", summary="The process lives")(self._health)
        app.get("/ready", summary="It takes requests")(self._ready)
        app.get("/metrics", summary="Figures for Prometheus")(self._metrics)
        app.get("/docs", include_in_schema=False)(lambda: HTMLResponse(docs_page(app.openapi()), headers=_PAGE))
        app.add_exception_handler(RequestValidationError, _invalid)
        app.add_exception_handler(HTTPException, _http)
        app.add_exception_handler(Exception, _unknown)
        return app

    @contextlib.asynccontextmanager
    async def _living(self, _: FastAPI) -> AsyncIterator[None]:
        self.lanes = {
            False: Batcher(self.answering, self.limits, self.figures),
            True: Batcher(self.whys, replace(self.limits, batch=1), self.figures),
        }
        running = [asyncio.create_task(lane.run()) for lane in self.lanes.values()]
        yield
        for each, lane in zip(running, self.lanes.values(), strict=True):
            each.cancel()
            lane.close()

    async def _health(self) -> dict[str, str]:
        return {"status": "alive"}

    async def _ready(self) -> Response:
        if self.stops:
            return refusal(503, "the server is stopping", do="ask another one")
        return Json({"status": "ready", "task": self.run.task.name})

    async def _metrics(self) -> Response:
        waiting = sum(lane.waiting for lane in self.lanes.values())
        return Response(self.figures.text(waiting), media_type="text/plain; version=0.0.4; charset=utf-8")


_PAGE = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


def listening(host: str, port: int) -> socket.socket:
    """A socket; port 0 takes any that is free. Raises `RunError` where it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # the protocol by its name, or asyncio leaves Nagle on: heads and bodies are two writes, the second 40 ms late
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
    except OSError as error:
        made.close()
        raise RunError(f"port {port} of {host} cannot be had ({error.strerror}); name another with --port") from None
    return made


def serve(
    service: Service, taken: socket.socket, *, origins: Iterable[str] = (), ready: Callable[[], None] = lambda: None
) -> None:
    """Answers until SIGTERM or Ctrl-C; then those that are accepted still, and no others. On loopback, only requests
    that name it; of pages in a browser, those of `origins` and its own.

    Raises `SpecError` for an origin that is none.
    """
    import uvicorn

    config = uvicorn.Config(
        guarded(
            service.app,
            loopback=taken.getsockname()[0] in LOOPBACK,
            origins=origins,
            told=service.app.refused,
        ),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=int(service.limits.seconds) + _GRACE,
        h11_max_incomplete_event_size=65_536,
    )
    server = _told_of(config, service, ready)
    with _signals_taken():
        server.run(sockets=[taken])


@contextlib.contextmanager
def _signals_taken() -> Iterator[None]:
    """uvicorn raises the signal that stopped it once more when it is done; here that is the end of a good run."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.signal(each, lambda *_: None) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _told_of(config: Any, service: Service, ready: Callable[[], None]) -> Any:
    """uvicorn's server, which says when it listens, and tells the service when it begins to stop."""
    import uvicorn

    server = uvicorn.Server(config)
    began, ended = server.startup, server.shutdown

    async def startup(sockets: list[socket.socket] | None = None) -> None:
        await began(sockets=sockets)
        ready()

    async def shutdown(sockets: list[socket.socket] | None = None) -> None:
        service.stops = True
        await ended(sockets=sockets)

    server.startup = startup  # type: ignore[method-assign]
    server.shutdown = shutdown  # type: ignore[method-assign]
    return server


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        return of_media(kind)
    return of_schema(error.errors())


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    what, do = {
        400: ("the body is no JSON that can be read", "send one JSON object"),
        404: (f"there is nothing at {request.url.path}", "see /docs for what there is"),
        405: (f"{request.url.path} takes no {request.method}", "see /docs for what there is"),
    }.get(error.status_code, (str(error.detail), "see /docs for what there is"))
    return refusal(error.status_code, what, where="body" if error.status_code == 400 else request.url.path, do=do)


async def _unknown(_: Request, error: Exception) -> Response:
    status, body = told(error)
    return Json({"error": body}, status_code=status)
