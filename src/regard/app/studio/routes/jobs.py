"""What runs in the background: its list, its events, its end, and its results as files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from threading import Event
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response, StreamingResponse

from regard.app.studio.jobs import Job
from regard.app.studio.refusals import Json, RefusedError, plain_json
from regard.app.studio.saved import as_html, as_json
from regard.app.studio.studio import Studio

Id = Annotated[str, Path(min_length=1, max_length=32)]
_LOOKED = 0.15  # seconds between two looks at a job
_QUIET = 15.0  # seconds after which a stream says that it is still there


class EventsQuery(BaseModel):
    """GET /api/jobs/{job}/events; the token is the guard's to read"""

    model_config = ConfigDict(extra="forbid")

    token: str | None = None


def router(studio: Studio) -> APIRouter:
    """GET /api/jobs, /api/jobs/{job}, /api/jobs/{job}/events, /api/saved/{job}; DELETE /api/jobs/{job}"""
    made = APIRouter(prefix="/api")

    @made.get("/jobs")
    def jobs() -> Response:
        return Json([job.head() for job in studio.jobs.all()])

    @made.get("/jobs/{job}")
    def one(job: Id) -> Response:
        return Response(studio.jobs[job].whole(), media_type="application/json")

    @made.get("/jobs/{job}/events")
    async def events(job: Id, query: Annotated[EventsQuery, Query()]) -> Response:
        return StreamingResponse(_events(studio.jobs[job], studio.closing), media_type="text/event-stream")

    @made.delete("/jobs/{job}")
    def drop(job: Id) -> Response:
        return Json({"job": job, "state": studio.jobs.drop(job)})

    @made.get("/saved/{job}")
    def saved(job: Id, as_: Annotated[Literal["html", "json"], Query(alias="as")] = "html") -> Response:
        found = studio.jobs[job]
        if found.state != "done":
            raise RefusedError(409, f"the job is {found.state}: there is nothing to save", do="wait until it is done")
        name, kind = f"regard-{found.kind}-{found.id}.{as_}", "text/html" if as_ == "html" else "application/json"
        content = as_html(studio, found) if as_ == "html" else as_json(studio, found)
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(content, media_type=f"{kind}; charset=utf-8", headers=headers)

    return made


async def _events(job: Job, closing: Event) -> AsyncIterator[bytes]:
    """A message when anything has changed, the last when the job is over; none any more when the studio closes."""
    told, sent, quiet = -1, 0, 0.0
    while not closing.is_set():
        over, version = job.is_over, job.version
        if over or version != told:
            points = job.points[sent:]
            sent += len(points)
            head = job.head()
            values = {name: head[name] for name in ("fraction", "line", "state", "seconds")}
            yield b"data: " + plain_json(values | ({"points": points} if points else {})) + b"\n\n"
            told, quiet = version, 0.0
        elif quiet >= _QUIET:
            yield b": still here\n\n"
            quiet = 0.0
        if over:
            return
        await asyncio.sleep(_LOOKED)
        quiet += _LOOKED
