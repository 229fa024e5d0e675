"""Who may ask: requests that name this host, and of pages in a browser those of origins that are allowed.

A page of any website can make a browser send requests to this machine, under a name of its own that resolves to it
(rebinding) or from its own origin. Programs send no Origin, and are let through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from regard.app.studio.refusals import refusal
from regard.spec.errors import SpecError

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, eq=False)
class Strangers:
    """An ASGI application around another, which refuses (403) whoever may not ask.

    loopback: the server listens there, so that the Host header must say so; its port may be another, as behind a
    tunnel. origins: pages of which others than this server's own may ask, such as "http://localhost:3000". told: called
    with the path of each request that is refused.
    """

    inner: ASGIApp
    loopback: bool
    origins: frozenset[str] = frozenset()
    told: Callable[[str], None] = lambda _: None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = self._refused(Headers(scope=scope)) if scope["type"] == "http" else None
        if refused is None:
            await self.inner(scope, receive, send)
            return
        what, where, do = refused
        self.told(scope["path"])
        await refusal(403, what, where=where, do=do)(scope, receive, send)

    def _refused(self, headers: Headers) -> tuple[str, str, str] | None:
        """(what, where, what to do) of a request that may not ask."""
        hosts = headers.getlist("host")
        if self.loopback and [_name(host) in LOOPBACK for host in hosts] != [True]:
            named = f"names {hosts[0]!r}" if len(hosts) == 1 else "is not there once"
            what = f"the Host header {named}, and this server listens on loopback alone"
            return what, "Host", "ask 127.0.0.1 or localhost, or serve with --host"
        own = {f"{scheme}://{host}" for host in hosts for scheme in ("http", "https")}
        foreign = [origin for origin in headers.getlist("origin") if origin not in own | self.origins]
        if foreign:
            what = f"the request comes from a page of {foreign[0]!r}, which may not ask"
            return what, "Origin", f"allow it where the server is started: regard serve RUN --origin {foreign[0]}"
        return None


def guarded(
    app: ASGIApp, *, loopback: bool, origins: Iterable[str] = (), told: Callable[[str], None] = lambda _: None
) -> ASGIApp:
    """`app` for those who may ask; pages of `origins` are told by CORS headers that they may. `told` is called with the
    path of each request that is refused."""
    allowed = frozenset(map(_origin, origins))
    if allowed:
        app = CORSMiddleware(
            app, allow_origins=sorted(allowed), allow_methods=["GET", "POST"], allow_headers=["content-type"]
        )
    return Strangers(app, loopback, allowed, told)


def _origin(given: str) -> str:
    """An origin as browsers send it. Raises `SpecError` for what is none."""
    parts = urlsplit(given)
    if parts.scheme not in ("http", "https") or not parts.netloc or given != f"{parts.scheme}://{parts.netloc}":
        raise SpecError(f"--origin {given}: expected scheme and host alone, such as http://localhost:3000; give that")
    return given.lower()


def _name(host: str) -> str:
    """A Host header's name without its port; an IPv6 address without its brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()
