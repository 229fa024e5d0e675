"""The application: routes behind the guard, every error in one form; and the server that runs it on loopback alone."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Callable
from types import FrameType
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from regard.app.studio import refusals
from regard.app.studio.guard import Guard, hosts_of
from regard.app.studio.protocol import protocol
from regard.app.studio.routes import ROUTES
from regard.app.studio.studio import Studio
from regard.spec.errors import RegardError, RunError

LOOPBACK = "127.0.0.1"
_WORDS = {
    404: ("there is nothing at this address", "see /api/openapi.json for what there is"),
    405: ("this address does not take that method", "see /api/openapi.json for those it takes"),
    413: ("the body is too large", "send less"),
}
_log = logging.getLogger("regard.studio")


def application(studio: Studio, port: int) -> ASGIApp:
    """The whole application for a server at that port."""
    from regard import __version__

    @contextlib.asynccontextmanager
    async def closing(_: FastAPI) -> AsyncIterator[None]:
        yield
        studio.close()

    app = FastAPI(
        title="regard studio",
        version=__version__,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        default_response_class=refusals.Json,
        lifespan=closing,
        redirect_slashes=False,
    )
    for router in ROUTES:
        app.include_router(router(studio))
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    for kind in (refusals.RefusedError, RegardError, OSError, MemoryError):
        app.add_exception_handler(kind, _known)
    app.add_exception_handler(Exception, _unknown)
    return Guard(app, hosts_of(port), studio.token, studio.limits)


def listening(port: int) -> socket.socket:
    """A socket on loopback; port 0 takes any that is free. Raises `RunError` where it cannot be had."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((LOOPBACK, port))
    except OSError as error:
        made.close()
        raise RunError(
            f"port {port} of {LOOPBACK} is taken ({error.strerror}); name another, or leave --port out"
        ) from None
    return made


def address(studio: Studio, port: int) -> str:
    """Where the page is; the token stands in the fragment, which no browser sends anywhere."""
    return f"http://{LOOPBACK}:{port}/#token={studio.token}"


def serve(
    studio: Studio,
    taken: socket.socket,
    *,
    ready: Callable[[], None] = lambda: None,
    began: Callable[[Any], None] = lambda _: None,
) -> None:
    """Answers until Ctrl-C. ready: called once it listens. began: called with uvicorn's server, which can be ended."""
    import uvicorn

    port = int(taken.getsockname()[1])
    config = uvicorn.Config(
        application(studio, port),
        http=protocol(),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=2,
        h11_max_incomplete_event_size=65_536,
    )
    server = uvicorn.Server(config)
    began(server)
    start = server.startup

    async def startup(sockets: list[socket.socket] | None = None) -> None:
        await start(sockets=sockets)
        ready()

    end = server.handle_exit

    def handle_exit(sig: int, frame: FrameType | None) -> None:
        studio.closing.set()  # streams end by themselves, before they would be cut off
        end(sig, frame)

    server.startup = startup  # type: ignore[method-assign]
    server.handle_exit = handle_exit  # type: ignore[method-assign]
    with contextlib.suppress(KeyboardInterrupt):  # which uvicorn hands on after it has ended in good order
        server.run(sockets=[taken])


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return refusals.of_validation(error.errors())


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    what, do = _WORDS.get(error.status_code, (str(error.detail), "change the request"))
    response = refusals.refusal(error.status_code, str(error.detail) if error.status_code == 413 else what, do=do)
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


async def _known(_: Request, error: Exception) -> Response:
    return answer(error)


async def _unknown(_: Request, error: Exception) -> Response:
    return answer(error)


def answer(error: BaseException) -> Response:
    """The response to an error."""
    status, body = refusals.told(error)
    headers: dict[str, Any] = {"Retry-After": "1"} if status == 429 else {}
    if status >= 500:
        _log.error("a fault in regard studio", exc_info=error)
    return refusals.Json({"error": body}, status_code=status, headers=headers)
