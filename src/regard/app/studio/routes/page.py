"""The page itself: three files out of the package."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import Response

from regard.app.studio.refusals import RefusedError
from regard.app.studio.studio import Studio

_FILES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
}


def router(_: Studio) -> APIRouter:
    """GET /, /page.js, /page.css, /favicon.ico"""
    made = APIRouter(include_in_schema=False)
    for address, (name, kind) in _FILES.items():
        made.add_api_route(address, _sender(name, kind), methods=["GET", "HEAD"])
    made.add_api_route("/favicon.ico", lambda: Response(status_code=204), methods=["GET"])
    return made


def _sender(name: str, kind: str):  # type: ignore[no-untyped-def] # FastAPI reads what a route returns
    def send() -> Response:
        try:
            content = files("regard.app.studio").joinpath("page", name).read_bytes()
        except OSError:
            raise RefusedError(
                404, f"{name} is not in this installation", do="install regard again, or build the page: web/build"
            ) from None
        return Response(content, media_type=kind)

    return send
