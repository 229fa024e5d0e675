"""What stands before every route: who may ask, how much, and what every answer says about itself.

A page of any website can make a browser send requests to this machine. So the host must be ours by name (or a name
that resolves to us would do, which is how rebinding works), the origin, where there is one, must be this very page's,
and whoever calls must have the token, which only the address that was printed carries.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from regard.app.studio.limits import Limits
from regard.app.studio.refusals import refusal

TOKEN = "x-regard-token"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_DO = {
    400: "send the request again with its right length",
    401: "open the address that regard studio printed",
    403: "open the address that regard studio printed, and ask from its page",
    413: "send less",
    429: "ask again in a moment",
}
_SAME = ("same-origin", "none")  # Sec-Fetch-Site of our own page, and of an address that was typed
_STREAM = "/events"


@dataclass
class Guard:
    """Wraps the application. hosts: what the Host header may say. token: of this session."""

    app: ASGIApp
    hosts: frozenset[str]
    token: str
    limits: Limits
    _running: int = field(default=0, init=False)
    _streams: int = field(default=0, init=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            elif scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            return
        headers = Headers(scope=scope)
        told = _Told(send)
        refused = self._stranger(scope, headers) or self._too_much(scope, headers)
        if refused is not None:
            await refusal(*refused, do=_DO[refused[0]])(scope, receive, told)
            return
        stream = str(scope["path"]).endswith(_STREAM)
        self._running += not stream
        self._streams += stream
        try:
            await self.app(scope, _Bounded(receive, self.limits.body_bytes), told)
        finally:
            self._running -= not stream
            self._streams -= stream

    def _stranger(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        """(status, why) for who may not ask."""
        if _all(headers, "host") not in [[host] for host in self.hosts]:
            return 403, "the Host header names another host than this studio"
        origins = {f"http://{host}" for host in self.hosts}
        if any(origin not in origins for origin in _all(headers, "origin")):
            return 403, "the request comes from another page than this studio's"
        if any(site not in _SAME for site in _all(headers, "sec-fetch-site")):
            return 403, "the request comes from another site"
        path = str(scope["path"])
        if not path.startswith("/api/"):
            return None
        given = headers.get(TOKEN, "")
        if path.endswith(_STREAM) and not given:
            given = next(iter(parse_qs(scope["query_string"].decode("latin-1")).get("token", [])), "")
        if not hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode()):
            return 401, "the token is missing or wrong"
        return None

    def _too_much(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        """(status, why) for what is too large, or too many at once."""
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit():
            return 400, "the Content-Length header is no number"
        if int(length[:18]) > self.limits.body_bytes:
            return 413, _large(self.limits.body_bytes)
        if str(scope["path"]).endswith(_STREAM):
            return (429, "too many events are being listened to") if self._streams >= self.limits.streams else None
        return (429, "too many requests at once") if self._running >= self.limits.requests else None


@dataclass
class _Bounded:
    """Receives a body of at most `most` bytes, whatever its header said."""

    receive: Receive
    most: int
    seen: int = 0

    async def __call__(self) -> Message:
        message = await self.receive()
        if message["type"] == "http.request":
            self.seen += len(message.get("body", b""))
            if self.seen > self.most:
                raise HTTPException(413, _large(self.most))
        return message


@dataclass
class _Told:
    """Sends an answer with the headers that each has."""

    send: Send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-store")
        await self.send(message)


def _all(headers: Headers, name: str) -> list[str]:
    return headers.getlist(name)


def _large(most: int) -> str:
    return f"the body is larger than {most:,} bytes"


def hosts_of(port: int, names: Iterable[str] = ("127.0.0.1", "localhost")) -> frozenset[str]:
    """What the Host header says of a server on loopback at a port."""
    return frozenset(f"{name}:{port}" for name in names)
