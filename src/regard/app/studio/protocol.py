"""How a request is answered that is no HTTP: in the form that every other error has."""

from __future__ import annotations

from typing import Any

from regard.app.studio.guard import HEADERS
from regard.app.studio.refusals import refusal


def protocol() -> type[Any]:
    """uvicorn's reader of requests (h11), which would answer in plain text. A request without a Host header is one of
    those: no route and no guard ever sees it."""
    import h11
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Told(H11Protocol):
        def send_400_response(self, msg: str) -> None:
            answer = refusal(400, "the request is no HTTP that can be read", do="send it again, with one Host header")
            headers = [*answer.raw_headers, *((name.encode(), value.encode()) for name, value in HEADERS.items())]
            for event in (
                h11.Response(status_code=400, headers=[*headers, (b"connection", b"close")], reason=b"Bad Request"),
                h11.Data(data=bytes(answer.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event))
            self.transport.close()

    return Told
