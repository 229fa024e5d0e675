"""What stands before the application: sizes and times of bodies, counting, and refusing what comes while it stops."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from regard.app.serving.figures import Figures
from regard.app.serving.limits import Limits
from regard.app.studio.refusals import Json, refusal

ROUTES = ("/answer", "/health", "/ready", "/metrics", "/docs", "/openapi.json")


@dataclass(eq=False)
class Guard:
    """An ASGI application around another."""

    inner: ASGIApp
    limits: Limits
    figures: Figures
    stopping: Callable[[], bool] = lambda: False
    accepted: int = 0
    answered: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return
        began, seen = time.monotonic(), [0]
        self.accepted += 1

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen[0] = message["status"]
            await send(message)

        try:
            await self._passed(scope, receive, counted)
        finally:
            self.answered += seen[0] != 0
            self.figures.answered(_route(scope["path"]), seen[0], time.monotonic() - began)

    def refused(self, path: str) -> None:
        """A request that was answered with 403 before it came here: it is counted as every other."""
        self.figures.answered(_route(path), 403, 0.0)

    async def _passed(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.stopping() and scope["method"] == "POST":
            await _stopping()(scope, receive, send)
            return
        try:
            body = await asyncio.wait_for(self._body(scope, receive), self.limits.read_seconds)
        except asyncio.TimeoutError:
            what = f"the body did not arrive within {self.limits.read_seconds:g} s"
            await refusal(408, what, where="body", do="send it sooner")(scope, receive, send)
            return
        if body is None:
            what = f"the body has more than {self.limits.body:,} bytes, or does not say how many"
            await refusal(413, what, where="body", do="send less at once")(scope, receive, send)
            return
        await self.inner(scope, _whole(body, receive), send)

    async def _body(self, scope: Scope, receive: Receive) -> bytes | None:
        """The whole body; None where it is too long, as soon as that is known."""
        said = dict(scope["headers"]).get(b"content-length", b"0")
        if not said.isdigit() or int(said) > self.limits.body:
            return None
        parts, size = list[bytes](), 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return b"".join(parts)
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self.limits.body:
                return None
            if not message.get("more_body"):
                return b"".join(parts)


def _route(path: str) -> str:
    """One of those there are: a name that a stranger made up is no figure of ours."""
    return path if path in ROUTES else "other"


def _stopping() -> Json:
    made = refusal(503, "the server is stopping", do="send it again in a while")
    made.headers["Retry-After"] = "1"
    made.headers["Connection"] = "close"
    return made


def _whole(body: bytes, receive: Receive) -> Receive:
    """The body in one message, and after it whatever comes (that the client is gone)."""
    given: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return given.pop() if given else await receive()

    return next_message
