"""The models there are, and the tasks that can be trained."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from regard.app.studio.listing import tasks
from regard.app.studio.refusals import Json
from regard.app.studio.studio import Studio
from regard.app.studio.why import methods


def router(studio: Studio) -> APIRouter:
    """GET /api/subjects, /api/tasks, /api/methods"""
    made = APIRouter(prefix="/api")

    @made.get("/subjects")
    def subjects() -> Response:
        return Json([found.plain() for found in studio.subjects.all()])

    @made.get("/tasks")
    def all_tasks() -> Response:
        return Json(tasks())

    @made.get("/methods")
    def all_methods() -> Response:
        return Json(methods())

    return made
